"""Removal of layers, heads and channels by what they are worth to the answers; what is left is really smaller.

A part's worth is the first-order guess of what its removal would do to the loss: |dL/dg| of a factor g = 1 on what the part
puts out, summed over texts. Heads: Michel et al., 2019. Channels: Molchanov et al., 2017, "|w·g|". Layers: the same, on what a
layer changes.
Shapes: B texts of one batch, T tokens, D width, H heads, E width of a head, F channels, L layers; a matrix is out x in.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.config import VariantConfig
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch

# Channels are kept in whole vectors of the processor: fewer would take as long.
CHANNELS_TOGETHER = 16


@dataclass(frozen=True)
class Importance:
    """Hold what each layer, and in each layer each head and each channel, is worth."""

    layers_L: Tensor
    heads: tuple[Tensor, ...]
    channels: tuple[Tensor, ...]


@dataclass(frozen=True)
class ImportanceFactors:
    """Hold the factors by which each text's parts are multiplied: one a layer, a head, a channel."""

    layers: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]
    channels: tuple[Tensor, ...]

    @classmethod
    def of(cls, model: Classifier, texts: int) -> "ImportanceFactors":
        """Make them all 1."""
        sizes = [(1, *_sizes(layer)) for layer in model.encoder.encoder.layer]
        return cls(
            *(tuple(torch.ones(texts, size[kind], requires_grad=True) for size in sizes) for kind in range(3))
        )

    def all(self) -> list[Tensor]:
        """Give them in one order."""
        return [*self.layers, *self.heads, *self.channels]


def measure_importance(model: Classifier, batches: Sequence[Batch]) -> Importance:
    """Measure what the parts of a classifier are worth on labelled texts."""
    model.eval()
    found = [torch.zeros(one.shape[1]) for one in ImportanceFactors.of(model, 1).all()]
    for batch in batches:
        factors = ImportanceFactors.of(model, len(batch))
        with _multiplied(model, factors):
            loss = functional.cross_entropy(
                model(batch.tokens_BT, batch.mask_BT), batch.targets, reduction="sum"
            )
        for total, new in zip(found, torch.autograd.grad(loss, factors.all()), strict=True):
            total += new.abs().sum(0)
    count = len(model.encoder.encoder.layer)
    return Importance(torch.cat(found[:count]), tuple(found[count : 2 * count]), tuple(found[2 * count :]))


def prune_model(model: Classifier, parts: Importance, recipe: VariantConfig) -> Classifier:
    """Give a smaller classifier: of each kind of part the share that the recipe keeps, the most worth of them, at least one."""
    small = copy.deepcopy(model)
    body = small.encoder.encoder
    kept = _best(parts.layers_L, recipe.layers)
    for number in kept:
        _keep_heads(body.layer[number].attention, _best(parts.heads[number], recipe.heads))
        _keep_channels(
            body.layer[number], _best(parts.channels[number], recipe.feed_forward, together=CHANNELS_TOGETHER)
        )
    body.layer = nn.ModuleList(body.layer[number] for number in kept)
    small.encoder.config.num_hidden_layers = len(kept)
    return small


def with_vocabulary(model: Classifier, kept: Sequence[int]) -> Classifier:
    """Give a classifier whose table of words holds only these rows, in this order."""
    small = copy.deepcopy(model)
    words: Any = small.encoder.embeddings.word_embeddings
    words.weight = nn.Parameter(words.weight.detach()[list(kept)].clone())
    words.num_embeddings = small.encoder.config.vocab_size = len(kept)
    return small


def _best(worth_P: Tensor, share: float, *, together: int = 1) -> list[int]:
    """Give the numbers of the parts that are worth most, rising; where two are worth the same, the first."""
    count = max(1, round(share * len(worth_P)))
    count = min(len(worth_P), -(-count // together) * together)
    return sorted(torch.argsort(worth_P, descending=True, stable=True)[:count].tolist())


def _keep_heads(attention: Any, heads: Sequence[int]) -> None:
    inner, width = attention.self, attention.self.attention_head_size
    rows = [head * width + place for head in heads for place in range(width)]
    for linear in (inner.query, inner.key, inner.value):
        _keep_outputs(linear, rows)
    _keep_inputs(attention.output.dense, rows)
    inner.num_attention_heads, inner.all_head_size = len(heads), len(rows)


def _keep_channels(layer: Any, channels: Sequence[int]) -> None:
    _keep_outputs(layer.intermediate.dense, channels)
    _keep_inputs(layer.output.dense, channels)


def _keep_outputs(linear: nn.Linear, kept: Sequence[int]) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[list(kept)].clone())
    linear.bias = nn.Parameter(linear.bias.detach()[list(kept)].clone())
    linear.out_features = len(kept)


def _keep_inputs(linear: nn.Linear, kept: Sequence[int]) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, list(kept)].clone())
    linear.in_features = len(kept)


def _sizes(layer: Any) -> tuple[int, int]:
    """Count the heads and the channels of a layer."""
    return int(layer.attention.self.num_attention_heads), int(layer.intermediate.dense.out_features)


@contextmanager
def _multiplied(model: Classifier, factors: ImportanceFactors) -> Iterator[None]:
    hooks = []
    for layer, one, heads, channels in zip(
        model.encoder.encoder.layer, factors.layers, factors.heads, factors.channels, strict=True
    ):
        hooks += [
            layer.register_forward_hook(_changing_less(one)),
            layer.attention.output.dense.register_forward_pre_hook(_times(heads)),
            layer.output.dense.register_forward_pre_hook(_times(channels)),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _changing_less(factor_B1: Tensor) -> Any:
    def change(_layer: nn.Module, inputs: tuple[Tensor, ...], output_BTD: Tensor) -> Tensor:
        return inputs[0] + (output_BTD - inputs[0]) * factor_B1.unsqueeze(1)

    return change


def _times(factor_BP: Tensor) -> Any:
    def multiply(_linear: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        # Each part, a head or a channel, is a run of neighbours of one width.
        parts_BTPE = inputs[0].reshape(*inputs[0].shape[:-1], factor_BP.shape[1], -1)
        return ((parts_BTPE * factor_BP[:, None, :, None]).flatten(-2),)

    return multiply
