"""Choose the variant to serve by a fixed rule over a measured menu."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import CompressionBudget
from pipeline.base.documents import CompressionMenu, MenuTexts, MenuVariant
from pipeline.base.tasks.scores import TITLES
from pipeline.core.compress.measurement import MeasuredVariant


@dataclass(frozen=True)
class VariantChoice:
    """Hold the chosen variant, the reasons, and the limit that each variant breaks, None where none."""

    chosen: str
    reasons: tuple[str, ...]
    faults: Mapping[str, str | None]


def choose_variant(
    variants: Sequence[MeasuredVariant], budget: CompressionBudget, *, teacher: str
) -> VariantChoice:
    """Choose the smallest variant that is shown to be within the budget.

    Learn then Test (Angelopoulos et al., 2021) by fixed-sequence testing: the variants are tried from large
    to small until the first whose bounds exceed a limit. The order is known before anything is measured, so
    a variant that truly exceeds a limit is served with a probability of at most 1 - `budget.confidence`,
    however long the menu is. Variants above `budget.max_megabytes` are passed over. Where none is within the
    budget the uncompressed model, named `teacher`, is served: compression must not make the served model
    worse.
    """
    faults: dict[str, str | None] = {}
    chosen: MeasuredVariant | None = None
    failed = ""
    for variant in sorted(variants, key=lambda one: (-one.megabytes, one.name)):
        faults[variant.name] = fault = _size_fault(variant, budget)
        if fault is not None:
            continue
        if failed:
            faults[variant.name] = f"it is not tried, since {failed}, the one before it, is not shown to fit"
        elif variant.name != teacher and (fault := _quality_fault(variant, budget)) is not None:
            faults[variant.name], failed = fault, variant.name
        else:
            chosen = variant
    broken = [f"{one.name} is not served: {faults[one.name]}." for one in variants if faults[one.name]]
    if chosen is None:
        reason = f"{teacher} is served: no variant is shown to be within compress.budget."
        return VariantChoice(teacher, (*broken, reason), faults)
    reason = f"{chosen.name} is served, the smallest shown to be within compress.budget: {_summary(chosen)}."
    return VariantChoice(chosen.name, (*broken, reason), faults)


def pareto_front(variants: Sequence[MeasuredVariant]) -> set[str]:
    """Return the names of variants that no other dominates in macro F1, megabytes and texts per second."""
    objectives = {
        variant.name: (variant.quality.score, -variant.megabytes, variant.speed.texts_per_second)
        for variant in variants
    }
    return {
        name
        for name, values in objectives.items()
        if not any(_dominates(other, values) for other in objectives.values())
    }


def menu_document(
    variants: Sequence[MeasuredVariant],
    choice: VariantChoice,
    *,
    teacher: str,
    threads: int,
    texts: MenuTexts,
    confidence: float,
) -> CompressionMenu:
    """Build the document of `menu.json`: the teacher, every variant, the choice and its reasons."""
    front = pareto_front(variants)
    uncompressed = next(variant for variant in variants if variant.name == teacher)
    return {
        "threads": threads,
        "texts": texts,
        "confidence": confidence,
        "teacher": {
            uncompressed.quality.key: uncompressed.quality.score,  # type: ignore[misc]
            "parameters": uncompressed.parameters,
            "megabytes": uncompressed.megabytes,
        },
        "chosen": choice.chosen,
        "reasons": list(choice.reasons),
        "variants": [
            _menu_variant(variant, choice.faults[variant.name], pareto=variant.name in front)
            for variant in variants
        ],
    }


def _menu_variant(variant: MeasuredVariant, fault: str | None, *, pareto: bool) -> MenuVariant:
    speed, quality = variant.speed, variant.quality
    return {
        "name": variant.name,
        "recipe": variant.recipe,
        "parameters": variant.parameters,
        "megabytes": variant.megabytes,
        quality.key: quality.score,  # type: ignore[misc]
        f"{quality.key}_drop": quality.drop.value,
        f"{quality.key}_drop_bound": quality.drop.bound,
        "worst_slice": quality.worst_slice,
        "agreement": quality.agreement.value,
        "agreement_bound": quality.agreement.bound,
        "p50_ms": speed.p50_ms,
        "p95_ms": speed.p95_ms,
        "p50_ms_32": speed.p50_ms_32,
        "p95_ms_32": speed.p95_ms_32,
        "texts_per_second": speed.texts_per_second,
        "fits": fault is None,
        "reason": f"Not served: {fault}." if fault else f"Within the budget: {_summary(variant)}.",
        "pareto": pareto,
    }


def _size_fault(variant: MeasuredVariant, budget: CompressionBudget) -> str | None:
    if variant.megabytes > budget.max_megabytes:
        return f"the size is {variant.megabytes:.1f} MB, the limit is {budget.max_megabytes:.1f} MB"
    return None


def _quality_fault(variant: MeasuredVariant, budget: CompressionBudget) -> str | None:
    """Return the first limit that a variant is not shown to keep, the most important first."""
    quality, sure = variant.quality, f"{budget.confidence:.0%} bound"
    drop, worst, agreement = quality.drop, quality.worst_slice, quality.agreement
    title = TITLES[quality.key]
    if drop.bound > budget.max_f1_drop:
        measured = f"{title} may drop by {drop.bound:.4f} ({sure}; measured {drop.value:.4f})"
        return f"{measured}, the limit is {budget.max_f1_drop:.4f}"
    if worst["bound"] > budget.max_slice_drop:
        measured = f"may drop by {worst['bound']:.4f} ({sure}; measured {worst['drop']:.4f})"
        return f"{title} of {worst['name']} {measured}, the limit is {budget.max_slice_drop:.4f}"
    if agreement.bound < budget.min_agreement:
        measured = f"as low as {agreement.bound:.4f} ({sure}; measured {agreement.value:.4f})"
        return f"agreement with the teacher may be {measured}, the minimum is {budget.min_agreement:.4f}"
    return None


def _summary(variant: MeasuredVariant) -> str:
    quality = variant.quality
    return (
        f"{TITLES[quality.key]} {quality.score:.4f} ({-quality.drop.value:+.4f}, "
        f"at worst {-quality.drop.bound:+.4f}), "
        f"agreement {quality.agreement.value:.4f}, {variant.megabytes:.1f} MB, "
        f"{variant.speed.texts_per_second:,.0f} texts/s"
    )


def _dominates(other: Sequence[float], values: Sequence[float]) -> bool:
    return other != values and all(theirs >= own for theirs, own in zip(other, values, strict=True))
