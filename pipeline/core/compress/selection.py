"""Which variant is served: a written rule over a measured menu, so that the choice can be read and repeated."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import CompressionBudget


@dataclass(frozen=True)
class SliceDrop:
    """Hold the slice that loses most against the parent, and how much macro F1 it loses."""

    name: str
    fall: float


@dataclass(frozen=True)
class MeasuredVariant:
    """Hold one way to serve the parent: what it takes, and what it answers on the validation split beside its parent.

    Times are those of one text (ms) and of 32 together; `macro_f1_fall` is the parent's macro F1 less this one's; `agreement`
    the share of texts that both answer alike.
    """

    name: str
    recipe: Mapping[str, Any]
    parameters: int
    megabytes: float
    macro_f1: float
    macro_f1_fall: float
    worst_slice: SliceDrop
    agreement: float
    p50_ms: float
    p95_ms: float
    p50_ms_32: float
    p95_ms_32: float
    texts_per_second: float


@dataclass(frozen=True)
class VariantChoice:
    """Hold the chosen variant, why it was, and what is said of each."""

    chosen: str
    reasons: tuple[str, ...]
    verdicts: Mapping[str, str | None]


def choose_variant(
    variants: Sequence[MeasuredVariant], budget: CompressionBudget, *, whole: str
) -> VariantChoice:
    """Take the quickest variant that holds the budget, of those as quick the smallest; the whole parent when none holds.

    A served model must never be worse for being small. A variant's verdict is what it breaks, None where it holds.
    """
    verdicts = {variant.name: _fault(variant, budget) for variant in variants}
    fitting = [variant for variant in variants if verdicts[variant.name] is None]
    broken = tuple(f"{name} does not hold: {fault}." for name, fault in verdicts.items() if fault is not None)
    if not fitting:
        return VariantChoice(
            whole, (*broken, f"{whole} is served, for no variant holds compress.budget."), verdicts
        )
    slowest = (1 - budget.equal_speed) * max(variant.texts_per_second for variant in fitting)
    best = min(
        (variant for variant in fitting if variant.texts_per_second >= slowest),
        key=lambda variant: variant.megabytes,
    )
    slower = len(fitting) - 1
    among = f"the quickest of {len(fitting)} that hold" if slower else "the only one that holds"
    return VariantChoice(
        best.name, (*broken, f"{best.name} is served, {among} compress.budget: {_figures(best)}."), verdicts
    )


def pareto_front(variants: Sequence[MeasuredVariant]) -> set[str]:
    """Name the variants that no other beats: at least as good in macro F1, megabytes and texts a second, and better in one."""
    figures = {
        variant.name: (variant.macro_f1, -variant.megabytes, variant.texts_per_second) for variant in variants
    }
    return {
        name for name, mine in figures.items() if not any(_beats(other, mine) for other in figures.values())
    }


def menu_document(
    variants: Sequence[MeasuredVariant], choice: VariantChoice, *, parent: Mapping[str, float], threads: int
) -> dict[str, Any]:
    """Give the menu as plain values: the parent, every variant with what is said of it, the choice and its reasons."""
    best = pareto_front(variants)
    return {
        "threads": threads,
        "parent": dict(parent),
        "chosen": choice.chosen,
        "reasons": list(choice.reasons),
        "variants": [
            {
                **dataclasses.asdict(variant),
                "fits": choice.verdicts[variant.name] is None,
                "reason": _sentence(variant, choice.verdicts[variant.name]),
                "pareto": variant.name in best,
            }
            for variant in variants
        ],
    }


def _fault(variant: MeasuredVariant, budget: CompressionBudget) -> str | None:
    """Say the first limit that a variant breaks, in the order in which they matter."""
    if variant.macro_f1_fall > budget.max_f1_drop:
        return f"macro F1 falls by {variant.macro_f1_fall:.4f}, at most {budget.max_f1_drop:.4f} is allowed"
    if variant.worst_slice.fall > budget.max_slice_drop:
        worst = variant.worst_slice
        return f"macro F1 of {worst.name} falls by {worst.fall:.4f}, at most {budget.max_slice_drop:.4f} is allowed"
    if variant.agreement < budget.min_agreement:
        return f"it agrees with its parent on {variant.agreement:.4f}, at least {budget.min_agreement:.4f} is asked"
    if variant.megabytes > budget.max_megabytes:
        return f"it takes {variant.megabytes:.1f} MB, at most {budget.max_megabytes:.1f} are allowed"
    return None


def _sentence(variant: MeasuredVariant, fault: str | None) -> str:
    return f"It does not hold: {fault}." if fault else f"It holds: {_figures(variant)}."


def _figures(variant: MeasuredVariant) -> str:
    return (
        f"macro F1 {variant.macro_f1:.4f} ({-variant.macro_f1_fall:+.4f}), agreement {variant.agreement:.4f}, "
        f"{variant.megabytes:.1f} MB, {variant.texts_per_second:,.0f} texts/s"
    )


def _beats(other: Sequence[float], mine: Sequence[float]) -> bool:
    return other != mine and all(theirs >= ours for theirs, ours in zip(other, mine, strict=True))
