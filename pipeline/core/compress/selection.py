"""Choose the variant to serve by a fixed rule over a measured menu."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import CompressionBudget
from pipeline.base.documents import CompressionMenu, MenuVariant, SliceDropRecord, VariantRecipe
from pipeline.core.compress.speed import Speed


@dataclass(frozen=True)
class MeasuredVariant:
    """Hold the measurements of a variant on the validation split, against the teacher.

    `macro_f1_drop` is the teacher's macro F1 less the variant's, `agreement` the share of equal predictions.
    """

    name: str
    recipe: VariantRecipe
    parameters: int
    megabytes: float
    macro_f1: float
    macro_f1_drop: float
    worst_slice: SliceDropRecord
    agreement: float
    speed: Speed


@dataclass(frozen=True)
class VariantChoice:
    """Hold the chosen variant, the reasons, and the limit that each variant breaks, None where none."""

    chosen: str
    reasons: tuple[str, ...]
    faults: Mapping[str, str | None]


def choose_variant(
    variants: Sequence[MeasuredVariant], budget: CompressionBudget, *, teacher: str
) -> VariantChoice:
    """Choose the fastest variant within the budget, of equally fast ones the smallest.

    Where none is within the budget it is the uncompressed model, named `teacher`: compression must not make
    the served model worse.
    """
    faults = {variant.name: _fault(variant, budget) for variant in variants}
    fitting = [variant for variant in variants if faults[variant.name] is None]
    broken = [f"{name} exceeds the budget: {fault}." for name, fault in faults.items() if fault is not None]
    if not fitting:
        reason = f"{teacher} is served: no variant is within compress.budget."
        return VariantChoice(teacher, (*broken, reason), faults)
    slowest = (1 - budget.equal_speed) * max(variant.speed.texts_per_second for variant in fitting)
    fast = [variant for variant in fitting if variant.speed.texts_per_second >= slowest]
    best = min(fast, key=lambda variant: variant.megabytes)
    rank = f"the fastest of {len(fitting)}" if len(fitting) > 1 else "the only one"
    reason = f"{best.name} is served, {rank} within compress.budget: {_summary(best)}."
    return VariantChoice(best.name, (*broken, reason), faults)


def pareto_front(variants: Sequence[MeasuredVariant]) -> set[str]:
    """Return the names of variants that no other dominates in macro F1, megabytes and texts per second."""
    objectives = {
        variant.name: (variant.macro_f1, -variant.megabytes, variant.speed.texts_per_second)
        for variant in variants
    }
    return {
        name
        for name, values in objectives.items()
        if not any(_dominates(other, values) for other in objectives.values())
    }


def menu_document(
    variants: Sequence[MeasuredVariant], choice: VariantChoice, *, teacher: MeasuredVariant, threads: int
) -> CompressionMenu:
    """Build the document of `menu.json`: the teacher, every variant, the choice and its reasons."""
    front = pareto_front(variants)
    return {
        "threads": threads,
        "teacher": {
            "macro_f1": teacher.macro_f1,
            "parameters": teacher.parameters,
            "megabytes": teacher.megabytes,
        },
        "chosen": choice.chosen,
        "reasons": list(choice.reasons),
        "variants": [
            _menu_variant(variant, choice.faults[variant.name], pareto=variant.name in front)
            for variant in variants
        ],
    }


def _menu_variant(variant: MeasuredVariant, fault: str | None, *, pareto: bool) -> MenuVariant:
    speed = variant.speed
    return {
        "name": variant.name,
        "recipe": variant.recipe,
        "parameters": variant.parameters,
        "megabytes": variant.megabytes,
        "macro_f1": variant.macro_f1,
        "macro_f1_drop": variant.macro_f1_drop,
        "worst_slice": variant.worst_slice,
        "agreement": variant.agreement,
        "p50_ms": speed.p50_ms,
        "p95_ms": speed.p95_ms,
        "p50_ms_32": speed.p50_ms_32,
        "p95_ms_32": speed.p95_ms_32,
        "texts_per_second": speed.texts_per_second,
        "fits": fault is None,
        "reason": f"Exceeds the budget: {fault}." if fault else f"Within the budget: {_summary(variant)}.",
        "pareto": pareto,
    }


def _fault(variant: MeasuredVariant, budget: CompressionBudget) -> str | None:
    """Return the first limit that a variant breaks, the most important first."""
    worst = variant.worst_slice
    if variant.macro_f1_drop > budget.max_f1_drop:
        return f"macro F1 drops by {variant.macro_f1_drop:.4f}, the limit is {budget.max_f1_drop:.4f}"
    if worst["drop"] > budget.max_slice_drop:
        drop = f"macro F1 of {worst['name']} drops by {worst['drop']:.4f}"
        return f"{drop}, the limit is {budget.max_slice_drop:.4f}"
    if variant.agreement < budget.min_agreement:
        agreement = f"agreement with the teacher is {variant.agreement:.4f}"
        return f"{agreement}, the minimum is {budget.min_agreement:.4f}"
    if variant.megabytes > budget.max_megabytes:
        return f"the size is {variant.megabytes:.1f} MB, the limit is {budget.max_megabytes:.1f} MB"
    return None


def _summary(variant: MeasuredVariant) -> str:
    return (
        f"macro F1 {variant.macro_f1:.4f} ({-variant.macro_f1_drop:+.4f}), "
        f"agreement {variant.agreement:.4f}, {variant.megabytes:.1f} MB, "
        f"{variant.speed.texts_per_second:,.0f} texts/s"
    )


def _dominates(other: Sequence[float], values: Sequence[float]) -> bool:
    return other != values and all(theirs >= own for theirs, own in zip(other, values, strict=True))
