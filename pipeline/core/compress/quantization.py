"""Static int8: matrices, and what is multiplied by them, as whole numbers of 8 bits on scales that are fixed beforehand.

Each output of a matrix has a scale of its own, each token its own in the table of words, and each place of the model one for
all that passes there, measured on training texts. So an answer hangs neither on the texts beside it nor on how many there are,
as it does where scales are made anew for each batch.
One outlying channel would coarsen all others. Behind a norm, channels lend their size to the matrices that follow (SmoothQuant;
Xiao et al., 2023); behind a GELU, where that costs most, the few largest are left in floating point (Dettmers et al., 2022).
Shapes: B texts of one length, T tokens, D channels at a place, O outputs, K kept channels, V vocabulary; a matrix is out x in.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.base.config import Int8Config
from pipeline.core.compress.onnx_export import CONTRIB, FLOAT, Matrix, OnnxGraph, export_onnx
from pipeline.core.train.objectives import evaluation_mode

TOGETHER = 32
BEHIND_A_NORM, BEHIND_A_GELU = ("attention", "channels"), "gelu"
LEVELS, HALF = 255, 127
# A scale for what is always 0: anything but 0 would do.
LEAST = 1e-6

Figures = NDArray[np.float32]


@dataclass(frozen=True)
class ActivationRange:
    """Hold the least and the greatest value of each channel at one place."""

    low_D: Figures
    high_D: Figures

    @property
    def size_D(self) -> Figures:
        """Give how far each channel goes from 0."""
        return np.maximum(np.maximum(-self.low_D, self.high_D), LEAST)

    def over(self, divisor_D: Figures) -> "ActivationRange":
        """Give the range of what is divided by this."""
        return ActivationRange(self.low_D / divisor_D, self.high_D / divisor_D)

    def scale(self) -> tuple[np.float32, np.uint8]:
        """Give step and zero point of 256 levels that hold every channel, and 0 exactly."""
        low, high = min(0.0, float(self.low_D.min())), max(LEAST, float(self.high_D.max()))
        step = (high - low) / LEVELS
        return np.float32(step), np.uint8(round(-low / step))


def quantize_model(
    model: nn.Module, texts: Sequence[Sequence[int]], *, max_tokens: int, cfg: Int8Config
) -> bytes:
    """Write a classifier as int8 ONNX, on scales measured on some tokenised texts."""
    return export_onnx(model, max_tokens=max_tokens, numbers=Int8(measure_ranges(model, texts), cfg))


def measure_ranges(model: nn.Module, texts: Sequence[Sequence[int]]) -> dict[str, ActivationRange]:
    """Measure what passes at every place of the model where matrices stand."""
    seen: dict[str, list[Tensor]] = {}
    hooks = [
        linear.register_forward_pre_hook(_noting(seen.setdefault(place, [])))
        for place, linear in _linears(model)
    ]
    try:
        with evaluation_mode(model):
            for tokens_BT in _of_one_length(texts):
                model(tokens_BT, torch.ones_like(tokens_BT))
    finally:
        for hook in hooks:
            hook.remove()
    ends = {place: torch.stack(pairs) for place, pairs in seen.items()}
    return {
        place: ActivationRange(pairs[:, 0].amin(0).numpy(), pairs[:, 1].amax(0).numpy())
        for place, pairs in ends.items()
    }


class Int8:
    """Reckon in whole numbers of 8 bits."""

    def __init__(self, found: Mapping[str, ActivationRange], cfg: Int8Config) -> None:
        self._found = found
        self._cfg = cfg

    def rows(self, graph: OnnxGraph, name: str, table_VD: NDArray[Any], ids: str) -> str:
        """Look up whole numbers and scale each row by its own step."""
        step_V1 = _steps(table_VD)
        whole = graph.node("Gather", graph.constant(name, np.round(table_VD / step_V1).astype(np.int8)), ids)
        return graph.node(
            "Mul",
            graph.node("Cast", whole, to=FLOAT),
            graph.node("Gather", graph.constant(f"{name}.step", step_V1), ids),
        )

    def products(self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]) -> list[str]:
        """Multiply whole numbers, with what the kind of place asks for against outliers."""
        kind, found = place.rpartition(".")[2], self._found[place]
        if kind in BEHIND_A_NORM:
            widest_D = np.maximum(
                np.abs(np.concatenate([weight_OD for weight_OD, _ in matrices])).max(axis=0), LEAST
            )
            lent_D = found.size_D**self._cfg.smoothing / widest_D ** (1 - self._cfg.smoothing)
            smoothed = graph.node(
                "Mul", hidden, graph.constant(f"{place}.lent", (1 / lent_D).astype(np.float32))
            )
            return _multiplied(
                graph,
                place,
                smoothed,
                [(weight_OD * lent_D, bias_O) for weight_OD, bias_O in matrices],
                found.over(lent_D),
            )
        if kind == BEHIND_A_GELU:
            return self._beside_outliers(graph, place, hidden, matrices)
        return _multiplied(graph, place, hidden, matrices, found)

    def _beside_outliers(
        self, graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix]
    ) -> list[str]:
        """Multiply the channels that go furthest in floating point, and the rest on a scale that need not hold them."""
        found = self._found[place]
        kept_K = np.sort(np.argsort(-found.size_D, kind="stable")[: self._cfg.outliers])
        rest_D = np.ones_like(found.size_D)
        rest_D[kept_K] = 0
        few = graph.node("Gather", hidden, graph.constant(f"{place}.kept", kept_K.astype(np.int64)), axis=-1)
        rest = [(weight_OD * rest_D, bias_O) for weight_OD, bias_O in matrices]
        most = _multiplied(
            graph, place, hidden, rest, ActivationRange(found.low_D * rest_D, found.high_D * rest_D)
        )
        kept = [
            graph.constant(f"{place}.{number}.kept", weight_OD[:, kept_K].T)
            for number, (weight_OD, _) in enumerate(matrices)
        ]
        return [
            graph.node("Add", one, graph.node("MatMul", few, weight))
            for one, weight in zip(most, kept, strict=True)
        ]


def _multiplied(
    graph: OnnxGraph, place: str, hidden: str, matrices: Sequence[Matrix], found: ActivationRange
) -> list[str]:
    step, zero = found.scale()
    told = graph.constant(f"{place}.step", step), graph.constant(f"{place}.zero", zero)
    whole, products = graph.node("QuantizeLinear", hidden, *told), []
    for number, (weight_OD, bias_O) in enumerate(matrices):
        name, step_O1 = f"{place}.{number}", _steps(weight_OD)
        weight = graph.constant(f"{name}.weight", np.round(weight_OD / step_O1).astype(np.int8).T)
        step_O, bias = graph.constant(f"{name}.step", step_O1[:, 0]), graph.constant(f"{name}.bias", bias_O)
        products.append(
            graph.node(
                "MatMulIntegerToFloat", whole, weight, told[0], step_O, told[1], "", bias, domain=CONTRIB
            )
        )
    return products


def _steps(table: NDArray[Any]) -> Figures:
    """Give the step of each row: its greatest size is the last whole number."""
    steps: Figures = np.maximum(np.abs(table).max(axis=1, keepdims=True) / HALF, LEAST).astype(np.float32)
    return steps


def _linears(model: Any) -> Iterator[tuple[str, nn.Module]]:
    for number, layer in enumerate(model.encoder.encoder.layer):
        yield f"layer.{number}.attention", layer.attention.self.query
        yield f"layer.{number}.context", layer.attention.output.dense
        yield f"layer.{number}.channels", layer.intermediate.dense
        yield f"layer.{number}.gelu", layer.output.dense


def _noting(pairs: list[Tensor]) -> Any:
    def note(_linear: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        flat = inputs[0].flatten(0, -2)
        pairs.append(torch.stack((flat.amin(0), flat.amax(0))))

    return note


def _of_one_length(texts: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """Give tokens_BT without padding: what padding holds would widen the ranges."""
    alike: defaultdict[int, list[Sequence[int]]] = defaultdict(list)
    for tokens in texts:
        alike[len(tokens)].append(tokens)
    for _, group in sorted(alike.items()):
        for start in range(0, len(group), TOGETHER):
            yield torch.as_tensor(group[start : start + TOGETHER])
