"""The limits on estimates: each is compared with the end of the interval that errs on the safe side."""

import math
from collections.abc import Iterator, Mapping

from pipeline.base.config import GateConfig
from pipeline.base.tasks import GENERATION
from pipeline.base.tasks.scores import score_head, score_key, score_title
from pipeline.core.gate.checks import GateCheck, Limit, get_number, make_check

WRITES = "The model writes texts"


def has_no_labels(evaluation: object) -> bool:
    """Return whether the answers of an evaluation are texts, which have no labels."""
    return isinstance(evaluation, Mapping) and evaluation.get("task") == GENERATION


def macro_f1_floor(evaluation: object, gate: GateConfig) -> GateCheck:
    """Check that the lower end of the interval of macro F1 reaches the floor, where there are labels."""
    if has_no_labels(evaluation):
        return make_check("floor", True, {}, f"{WRITES}, so there is no macro F1 to limit.")
    subject = "The lower end of the interval of macro F1"
    limit = Limit("macro_f1_low", subject, "min_macro_f1", gate.min_macro_f1, "macro F1", ".3f")
    return limit.floor("floor", interval_end(evaluation, "intervals", "macro_f1", end=0))


def beats_baselines(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    """Check that the lower end of the interval of the gain over each baseline exceeds the margin.

    The gain is paired: both are measured on the same resampled texts. One check a baseline.
    """
    margin, key, title = gate.baseline_margin, score_key(evaluation), score_title(evaluation)
    baselines = evaluation.get("baselines") if isinstance(evaluation, Mapping) else None
    if not isinstance(baselines, Mapping):
        sentence = "No baseline was measured, but gate.baseline_margin requires one."
        yield make_check("baseline", False, {}, sentence)
        return
    by_margin = f" by more than {margin:.3f} (gate.baseline_margin)" if margin else ""
    for name in sorted(baselines):
        scores = ("candidate", "champion", "difference", "low")
        own, baseline, gain, low = (get_number(baselines, name, "gain", score) for score in scores)
        passed = low > margin
        verb = "beats" if passed else "does not significantly beat" if gain > margin else "does not beat"
        sentence = (
            f"{score_head(evaluation)} of {own:.3f} {verb} the {baseline:.3f} of baseline {name}{by_margin}: "
            f"the lower end of the paired interval of the gain is {low:+.3f}."
        )
        if math.isnan(low):
            sentence = f"The gain over baseline {name} was not measured, but gate.baseline_margin limits it."
        figures = {
            key: own,
            f"baseline_{key}": baseline,
            "gain_low": low,
            "baseline_margin": margin,
        }
        shortfall = margin - low
        yield make_check(f"baseline {name}", passed, figures, sentence, shortfall=shortfall, unit=title)


def ability_floors(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the lower bound of the pass rate of each ability that has a floor; one check an ability."""
    for name, floor in sorted(gate.abilities.items()):
        passed, cases = (get_number(evaluation, "behaviour", name, key) for key in ("passed", "cases"))
        rate = get_number(evaluation, "behaviour", name, "pass_rate")
        subject = f"The lower end of the interval of the pass rate of ability {name}"
        if not math.isnan(rate):
            subject += f" ({passed:.0f} of {cases:.0f} cases)"
        limit = Limit("pass_rate_low", subject, "abilities", floor, "pass rate", ".1%")
        yield limit.floor(f"ability {name}", get_number(evaluation, "behaviour", name, "low"))


def attack_drop(evaluation: object, gate: GateConfig) -> GateCheck:
    """Check the upper end of the interval of the drop of macro F1 under attack, where there was an attack."""
    if not isinstance(evaluation, Mapping) or evaluation.get("attack") is None:
        return make_check("attack", True, {}, "The candidate was not attacked, so there is no drop to limit.")
    subject = "The upper end of the interval of the drop of macro F1 under attack"
    limit = Limit(
        "drop_high", subject, "max_attack_drop", gate.max_attack_drop, "macro F1 under attack", ".3f"
    )
    return limit.ceiling("attack", get_number(evaluation, "attack", "high"))


def calibration_errors(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the upper bound of the calibration error over all texts, and the lower bound of each source.

    Over all texts the error must be shown to be within the limit; a source must not be shown to be beyond it.
    """
    if has_no_labels(evaluation):
        yield make_check("calibration", True, {}, f"{WRITES}, so no probability of a label is calibrated.")
        return
    subject = "The upper bound of the debiased calibration error"
    limit = _calibration_limit(subject, gate)
    yield limit.ceiling("calibration", get_number(evaluation, "calibration", "debiased", "high"))
    sources = evaluation.get("calibration") if isinstance(evaluation, Mapping) else None
    sources = sources.get("per_source") if isinstance(sources, Mapping) else None
    for name in sorted(sources) if isinstance(sources, Mapping) else ():
        subject = f"The lower bound of the debiased calibration error on source {name}"
        low = get_number(sources, name, "low")
        yield _calibration_limit(subject, gate).ceiling(f"calibration source={name}", low)


def _calibration_limit(subject: str, gate: GateConfig) -> Limit:
    value = gate.max_calibration_error
    return Limit("error", subject, "max_calibration_error", value, "calibration error", ".3f")


def interval_end(document: object, *path: str, end: int) -> float:
    """Return one end of an interval [low, high]; NaN where it is absent or not a number."""
    *sections, name = path
    for section in sections:
        document = document.get(section) if isinstance(document, Mapping) else None
    interval = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return math.nan
    return get_number({"end": interval[end]}, "end")
