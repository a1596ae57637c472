"""Prune layers, heads and channels by their importance; the matrices that are left are smaller.

The importance of a part is the first-order estimate of what its removal does to the loss: |dL/dg| of a factor
g = 1 on the part's output, summed over texts. Heads: Michel et al., 2019. Channels: Molchanov et al., 2017,
"|w·g|". Layers: the same, on what a layer adds.
Shapes: B texts of one batch, T tokens, D width, H heads, E width of a head, F channels, L layers; a matrix is
out x in.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.base.config import VariantConfig
from pipeline.core.model.heads import Classifier
from pipeline.core.train.batches import Batch
from pipeline.core.train.objectives.labels import summed_cross_entropy

# The processor computes whole vectors of channels: fewer would take as long.
CHANNEL_MULTIPLE = 16


Hook = Callable[..., Tensor | tuple[Tensor]]
# A module of transformers, which has no types.
Part = Any


@dataclass(frozen=True)
class Importance:
    """Hold the importance of each layer, and of the heads and channels in each layer."""

    layers_L: Tensor
    heads: tuple[Tensor, ...]
    channels: tuple[Tensor, ...]


@dataclass(frozen=True)
class ImportanceFactors:
    """Hold the factors on the output of each layer, head and channel, a row for each text."""

    layers: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]
    channels: tuple[Tensor, ...]

    @classmethod
    def of(cls, model: Classifier, texts: int) -> "ImportanceFactors":
        """Create factors of 1."""
        sizes = [(1, *_sizes(layer)) for layer in model.encoder.encoder.layer]
        layers, heads, channels = (
            tuple(torch.ones(texts, size[kind], requires_grad=True) for size in sizes) for kind in range(3)
        )
        return cls(layers, heads, channels)

    def flat(self) -> list[Tensor]:
        """Return all factors: layers, heads, channels."""
        return [*self.layers, *self.heads, *self.channels]


def measure_importance(
    model: Classifier,
    batches: Sequence[Batch],
    summed_loss: Callable[[Tensor, Tensor], Tensor] = summed_cross_entropy,
) -> Importance:
    """Measure the importance of the parts of a classifier on labelled texts, by its loss on them."""
    model.eval()
    totals = [torch.zeros(factor.shape[1]) for factor in ImportanceFactors.of(model, 1).flat()]
    for batch in batches:
        factors = ImportanceFactors.of(model, len(batch))
        with _multiplied_by(model, factors):
            loss = summed_loss(model(batch.tokens_BT, batch.mask_BT), batch.targets)
        for total, gradient in zip(totals, torch.autograd.grad(loss, factors.flat()), strict=True):
            total += gradient.abs().sum(0)
    count = len(model.encoder.encoder.layer)
    return Importance(torch.cat(totals[:count]), tuple(totals[count : 2 * count]), tuple(totals[2 * count :]))


def prune_model(model: Classifier, importance: Importance, variant: VariantConfig) -> Classifier:
    """Return a smaller classifier that keeps the most important layers, heads and channels.

    `variant` sets the share of each that is kept, at least one.
    """
    small = copy.deepcopy(model)
    body = small.encoder.encoder
    layers = _most_important(importance.layers_L, variant.layers)
    for number in layers:
        heads = _most_important(importance.heads[number], variant.heads)
        channels = _most_important(
            importance.channels[number], variant.feed_forward, multiple=CHANNEL_MULTIPLE
        )
        _keep_heads(body.layer[number].attention, heads)
        _keep_channels(body.layer[number], channels)
    body.layer = nn.ModuleList(body.layer[number] for number in layers)
    small.encoder.config.num_hidden_layers = len(layers)
    return small


def with_vocabulary(model: Classifier, kept: Sequence[int]) -> Classifier:
    """Return a classifier whose word embeddings are these rows alone, in this order."""
    small = copy.deepcopy(model)
    words: Part = small.encoder.get_input_embeddings()
    words.weight = nn.Parameter(words.weight.detach()[list(kept)].clone())
    words.num_embeddings = small.encoder.config.vocab_size = len(kept)
    word_bias: Part = getattr(small, "bias", None)
    if word_bias is not None:
        small.bias = nn.Parameter(word_bias.detach()[list(kept)].clone())
    return small


def _most_important(importance_P: Tensor, share: float, *, multiple: int = 1) -> list[int]:
    """Return the numbers of the most important parts, at least one, in rising order."""
    count = max(1, round(share * len(importance_P)))
    count = min(len(importance_P), -(-count // multiple) * multiple)
    return sorted(torch.argsort(importance_P, descending=True, stable=True)[:count].tolist())


def _keep_heads(attention: Part, heads: Sequence[int]) -> None:
    inner, width = attention.self, attention.self.attention_head_size
    rows = [head * width + place for head in heads for place in range(width)]
    for linear in (inner.query, inner.key, inner.value):
        _keep_outputs(linear, rows)
    _keep_inputs(attention.output.dense, rows)
    inner.num_attention_heads, inner.all_head_size = len(heads), len(rows)


def _keep_channels(layer: Part, channels: Sequence[int]) -> None:
    _keep_outputs(layer.intermediate.dense, channels)
    _keep_inputs(layer.output.dense, channels)


def _keep_outputs(linear: nn.Linear, rows: Sequence[int]) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[list(rows)].clone())
    linear.bias = nn.Parameter(linear.bias.detach()[list(rows)].clone())
    linear.out_features = len(rows)


def _keep_inputs(linear: nn.Linear, columns: Sequence[int]) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, list(columns)].clone())
    linear.in_features = len(columns)


def _sizes(layer: Part) -> tuple[int, int]:
    """Return the numbers of heads and channels of a layer."""
    return int(layer.attention.self.num_attention_heads), int(layer.intermediate.dense.out_features)


@contextmanager
def _multiplied_by(model: Classifier, factors: ImportanceFactors) -> Iterator[None]:
    hooks = []
    for layer, factor_B1, heads, channels in zip(
        model.encoder.encoder.layer, factors.layers, factors.heads, factors.channels, strict=True
    ):
        hooks += [
            layer.register_forward_hook(_scale_change(factor_B1)),
            layer.attention.output.dense.register_forward_pre_hook(_scale_parts(heads)),
            layer.output.dense.register_forward_pre_hook(_scale_parts(channels)),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _scale_change(factor_B1: Tensor) -> Hook:
    def change(_layer: nn.Module, inputs: tuple[Tensor, ...], output_BTD: Tensor) -> Tensor:
        return inputs[0] + (output_BTD - inputs[0]) * factor_B1.unsqueeze(1)

    return change


def _scale_parts(factor_BP: Tensor) -> Hook:
    def multiply(_linear: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        # A part, head or channel, is a run of neighbouring columns.
        parts_BTPE = inputs[0].reshape(*inputs[0].shape[:-1], factor_BP.shape[1], -1)
        return ((parts_BTPE * factor_BP[:, None, :, None]).flatten(-2),)

    return multiply
