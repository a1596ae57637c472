"""Static int8: matrices and activations as 8-bit integers, on scales that are fixed beforehand.

Each output of a matrix has its own scale, each token its own in the embedding table, and each place of the
model one for all its activations, measured on training texts. So a prediction does not depend on the other
texts of its batch, as it does where each batch gets its own scales. One outlier channel would coarsen all
others. After a norm, the scale of channels moves into the matrices that follow (SmoothQuant; Xiao et al.,
2023); after a GELU, where outliers cost most, the few largest channels stay in floating point (Dettmers et
al., 2022).
Shapes: B texts of one length, T tokens, D channels at a place, O outputs, K outliers, V vocabulary; a matrix
is out x in.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.base.config import Int8Config
from pipeline.core.compress.layer_parts import layer_parts, layers_of
from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.compress.onnx_graph import CONTRIB, FLOAT, Array, Matrix, OnnxGraph, Part
from pipeline.core.model.language_models import CausalLanguageModel
from pipeline.core.train.objectives import evaluation_mode

MEASURE_BATCH = 32
WORD_HEAD, WORD_LOGITS = "word_head", "word_logits"
AFTER_NORM, AFTER_GELU = ("attention", "channels"), "gelu"
LEVELS, HALF = 255, 127
# The scale of a channel that is always 0 must not be 0.
MIN_SCALE = 1e-6

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ActivationRange:
    """Hold the minimum and maximum of each channel at one place."""

    low_D: Floats
    high_D: Floats

    @property
    def magnitude_D(self) -> Floats:
        """Return the largest absolute value of each channel."""
        return np.maximum(np.maximum(-self.low_D, self.high_D), MIN_SCALE)

    def divided_by(self, divisor_D: Floats) -> "ActivationRange":
        """Return the range of the activations divided by this."""
        return ActivationRange(self.low_D / divisor_D, self.high_D / divisor_D)

    def scale(self) -> tuple[np.float32, np.uint8]:
        """Return step and zero point of 256 levels that cover every channel and represent 0 exactly."""
        low, high = min(0.0, float(self.low_D.min())), max(MIN_SCALE, float(self.high_D.max()))
        step = (high - low) / LEVELS
        return np.float32(step), np.uint8(round(-low / step))


def quantize_model(
    model: nn.Module, texts: Sequence[Sequence[int]], *, max_tokens: int, cfg: Int8Config
) -> bytes:
    """Export a classifier to int8 ONNX, on scales measured on the token ids of training texts.

    A text has at most `max_tokens` ids, and so has an input of the exported model.
    """
    return export_onnx(model, max_tokens=max_tokens, precision=Int8(measure_ranges(model, texts), cfg))


def measure_ranges(model: nn.Module, texts: Sequence[Sequence[int]]) -> dict[str, ActivationRange]:
    """Measure the activations at every place of the model that has matrices."""
    recorded: dict[str, list[Tensor]] = {}
    hooks = [
        linear.register_forward_pre_hook(_record_range(recorded.setdefault(place, [])))
        for place, linear in _linears(model)
    ]
    hooks += [
        module.register_forward_hook(_record_output(recorded.setdefault(place, [])))
        for place, module in _outputs(model)
    ]
    try:
        with evaluation_mode(model):
            for tokens_BT in _equal_length_batches(texts):
                model(tokens_BT, torch.ones_like(tokens_BT))
    finally:
        for hook in hooks:
            hook.remove()
    ranges = {place: torch.stack(pairs) for place, pairs in recorded.items()}
    return {
        place: ActivationRange(pairs[:, 0].amin(0).numpy(), pairs[:, 1].amax(0).numpy())
        for place, pairs in ranges.items()
    }


class Int8:
    """Use 8-bit integers."""

    def __init__(self, ranges: Mapping[str, ActivationRange], cfg: Int8Config) -> None:
        self._ranges = ranges
        self._cfg = cfg

    def rows(self, graph: OnnxGraph, name: str, table_VD: Array, ids: str) -> str:
        """Look up integers and scale each row by its own step."""
        step_V1 = _steps(table_VD)
        table = graph.constant(name, np.round(table_VD / step_V1).astype(np.int8))
        return graph.node(
            "Mul",
            graph.node("Cast", graph.node("Gather", table, ids), to=FLOAT),
            graph.node("Gather", graph.constant(f"{name}.step", step_V1), ids),
        )

    def products(self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]) -> list[str]:
        """Multiply integers, with the treatment of outliers that the kind of place needs."""
        kind, activations = place.rpartition(".")[2], self._ranges[place]
        if kind in AFTER_NORM:
            weights_OD = np.concatenate([weight_OD for weight_OD, _ in matrices])
            widest_D = np.maximum(np.abs(weights_OD).max(axis=0), MIN_SCALE)
            smoothing = self._cfg.smoothing
            factor_D = activations.magnitude_D**smoothing / widest_D ** (1 - smoothing)
            inverse = graph.constant(f"{place}.lent", (1 / factor_D).astype(np.float32))
            smoothed = graph.node("Mul", hidden, inverse)
            matrices = [(weight_OD * factor_D, bias_O) for weight_OD, bias_O in matrices]
            return _integer_products(graph, place, smoothed, matrices, activations.divided_by(factor_D))
        if kind == AFTER_GELU:
            return self._products_with_outliers(graph, place, hidden, matrices)
        return _integer_products(graph, place, hidden, matrices, activations)

    def word_products(self, graph: OnnxGraph, hidden: str, words: Matrix, *, out: str) -> None:
        """Multiply integers: the table of words is turned, so this is a second copy of it."""
        (product,) = _integer_products(graph, WORD_LOGITS, hidden, [words], self._ranges[WORD_LOGITS])
        graph.node("Identity", product, out=out)

    def _products_with_outliers(
        self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]
    ) -> list[str]:
        """Multiply the largest channels in floating point, and the rest on a scale without them."""
        activations = self._ranges[place]
        outliers_K = np.sort(np.argsort(-activations.magnitude_D, kind="stable")[: self._cfg.outliers])
        rest_D = np.ones_like(activations.magnitude_D)
        rest_D[outliers_K] = 0
        positions = graph.constant(f"{place}.kept", outliers_K.astype(np.int64))
        outlier_values = graph.node("Gather", hidden, positions, axis=-1)
        rest = [(weight_OD * rest_D, bias_O) for weight_OD, bias_O in matrices]
        rest_range = ActivationRange(activations.low_D * rest_D, activations.high_D * rest_D)
        products = _integer_products(graph, place, hidden, rest, rest_range)
        weights = [
            graph.constant(f"{place}.{number}.kept", weight_OD[:, outliers_K].T)
            for number, (weight_OD, _) in enumerate(matrices)
        ]
        return [
            graph.node("Add", product, graph.node("MatMul", outlier_values, weight))
            for product, weight in zip(products, weights, strict=True)
        ]


def _integer_products(
    graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix], activations: ActivationRange
) -> list[str]:
    step, zero = activations.scale()
    scale = graph.constant(f"{place}.step", step), graph.constant(f"{place}.zero", zero)
    integers, products = graph.node("QuantizeLinear", hidden, *scale), []
    for number, (weight_OD, bias_O) in enumerate(matrices):
        name, step_O1 = f"{place}.{number}", _steps(weight_OD)
        weight = graph.constant(f"{name}.weight", np.round(weight_OD / step_O1).astype(np.int8).T)
        step_O, bias = graph.constant(f"{name}.step", step_O1[:, 0]), graph.constant(f"{name}.bias", bias_O)
        inputs = (integers, weight, scale[0], step_O, scale[1], "", bias)
        products.append(graph.node("MatMulIntegerToFloat", *inputs, domain=CONTRIB))
    return products


def _steps(table: Array) -> Floats:
    """Return the step of each row, such that its largest absolute value becomes 127."""
    steps: Floats = np.maximum(np.abs(table).max(axis=1, keepdims=True) / HALF, MIN_SCALE).astype(np.float32)
    return steps


def _linears(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    encoder: Part = model.encoder
    for number, layer in enumerate(layers_of(encoder)):
        parts = layer_parts(encoder.config.model_type, layer)
        yield f"layer.{number}.attention", parts.projected
        yield f"layer.{number}.context", parts.context
        yield f"layer.{number}.channels", parts.widened
        yield f"layer.{number}.gelu", parts.fed
    if isinstance(model, CausalLanguageModel):
        yield WORD_HEAD, model.transform[0]


def _outputs(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the places whose activations no linear layer reads: the words are multiplied by their table."""
    if isinstance(model, CausalLanguageModel):
        yield WORD_LOGITS, model.transform


def _record_range(pairs: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def record(_linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pairs.append(_ends(inputs[0]))

    return record


def _record_output(pairs: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def record(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        pairs.append(_ends(output))

    return record


def _ends(values: Tensor) -> Tensor:
    flat = values.flatten(0, -2)
    return torch.stack((flat.amin(0), flat.amax(0)))


def _equal_length_batches(texts: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """Yield tokens_BT of equal length: padding would widen the ranges."""
    by_length: defaultdict[int, list[Sequence[int]]] = defaultdict(list)
    for tokens in texts:
        by_length[len(tokens)].append(tokens)
    for _, group in sorted(by_length.items()):
        for start in range(0, len(group), MEASURE_BATCH):
            yield torch.as_tensor(group[start : start + MEASURE_BATCH])
