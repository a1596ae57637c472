"""The gate's checks of one task alone, beside those of every task."""

from collections.abc import Callable, Iterator, Mapping

from pipeline.base.config import GateConfig
from pipeline.base.tasks import ASPECT, GENERATION, MULTI_LABEL, ORDINAL, SINGLE_LABEL, TOKEN_LABELS
from pipeline.core.gate.champion_checks import DropRule
from pipeline.core.gate.checks import GateCheck, Limit, get_number, make_check
from pipeline.core.gate.limits import interval_end

Document = Mapping[str, object] | None


def task_checks(evaluation: object, comparison: Document, gate: GateConfig) -> Iterator[GateCheck]:
    """Check what the task of an evaluation asks for; a report without a task is of single labels."""
    task = evaluation.get("task", SINGLE_LABEL) if isinstance(evaluation, Mapping) else SINGLE_LABEL
    if task not in CHECKS:
        sentence = f"The evaluation is of task {task!r}, for which this version has no checks."
        yield make_check("task", False, {}, sentence)
    elif checks := CHECKS[str(task)]:
        yield from checks(evaluation, comparison, gate)


def _scale(evaluation: object, comparison: Document, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the distance from the truth on the scale: it is limited, and does not grow."""
    limits = gate.ordinal
    subject = "The upper end of the interval of the mean error in steps of the scale"
    high = interval_end(evaluation, "ordinal", "intervals", "mean_absolute_error", end=1)
    setting = "ordinal.max_mean_error"
    yield Limit("error_high", subject, setting, limits.max_mean_error, "steps", ".3f").ceiling(
        "scale error", high
    )
    subject = "The lower end of the interval of the weighted kappa"
    low = interval_end(evaluation, "ordinal", "intervals", "weighted_kappa", end=0)
    setting = "ordinal.min_weighted_kappa"
    yield Limit("kappa_low", subject, setting, limits.min_weighted_kappa, "kappa", ".3f").floor(
        "scale agreement", low
    )
    yield SCALE_RULE.check(comparison, gate)


def _labels(evaluation: object, _: Document, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the F1 of each label by itself; that no label drops against the champion is a check of slices."""
    items = evaluation.get("items") if isinstance(evaluation, Mapping) else None
    intervals = items.get("label_intervals") if isinstance(items, Mapping) else None
    if not isinstance(intervals, Mapping) or not intervals:
        sentence = "No label was measured by itself, but gate.items.min_label_f1 limits each."
        yield make_check("labels", False, {}, sentence)
        return
    for label in intervals:
        subject = f"The lower end of the interval of the F1 of label {label}"
        limit = Limit("f1_low", subject, "items.min_label_f1", gate.items.min_label_f1, "F1", ".3f")
        yield limit.floor(f"label {label}", interval_end(intervals, label, end=0))


def _texts(evaluation: object, comparison: Document, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the perplexity of references, and how far what is written overlaps with them."""
    limits, section = gate.generation, "generation"
    subject = "The upper end of the interval of the perplexity"
    high = interval_end(evaluation, section, "intervals", "perplexity", end=1)
    setting = "generation.max_perplexity"
    yield Limit("perplexity_high", subject, setting, limits.max_perplexity, "perplexity", ".2f").ceiling(
        "perplexity", high
    )
    if get_number(evaluation, section, "references") == 0:
        sentence = "The texts stand alone, so nothing that was written is compared with a reference."
        yield make_check("overlap", True, {}, sentence)
        return
    subject = "The lower end of the interval of chrF"
    low = interval_end(evaluation, section, "intervals", "chrf", end=0)
    yield Limit("chrf_low", subject, "generation.min_chrf", limits.min_chrf, "chrF", ".3f").floor(
        "overlap", low
    )
    yield OVERLAP_RULE.check(comparison, gate)


SCALE_RULE = DropRule("scale champion", "task", "errors on the scale", "ordinal.error_margin", unit="steps")

OVERLAP_RULE = DropRule(
    "overlap champion", "task", "overlaps with references", "generation.overlap_margin", unit="overlap"
)

# None: the checks of every task are those of this one.
CHECKS: Mapping[str, Callable[[object, Document, GateConfig], Iterator[GateCheck]] | None] = {
    SINGLE_LABEL: None,
    ORDINAL: _scale,
    MULTI_LABEL: _labels,
    TOKEN_LABELS: _labels,
    ASPECT: None,
    GENERATION: _texts,
}
