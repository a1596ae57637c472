"""The checks that a candidate passes or fails by itself: absolute limits, baselines, data, earlier rollbacks.

Every comparison fails where a figure is absent or not a number.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.base.config import GateConfig


@dataclass(frozen=True)
class GateCheck:
    """One check of the gate: its outcome, the figures behind it, and a sentence for people.

    `shortfall` is by how much the figure in `unit` misses the limit; None where the check passed or no figure
    says.
    """

    name: str
    passed: bool
    figures: Mapping[str, float | None]
    sentence: str
    shortfall: float | None = None
    unit: str = ""


def get_number(document: object, *path: str) -> float:
    """Return the number at this path of keys; NaN where it is absent, not finite or not a number."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    if isinstance(document, bool) or not isinstance(document, int | float) or not math.isfinite(document):
        return math.nan
    return float(document)


def make_check(
    name: str,
    passed: bool,
    figures: Mapping[str, float],
    sentence: str,
    *,
    shortfall: float = math.nan,
    unit: str = "",
) -> GateCheck:
    """Build a check; figures that are not finite become None, and a passed check has no shortfall."""
    finite = {figure: value if math.isfinite(value) else None for figure, value in figures.items()}
    if passed or not math.isfinite(shortfall):
        return GateCheck(name, passed, finite, sentence)
    return GateCheck(name, passed, finite, sentence, shortfall, unit)


@dataclass(frozen=True)
class Limit:
    """A limit on one figure, and the setting of the gate that holds it; `show` is a format specification."""

    figure: str
    subject: str
    setting: str
    value: float
    unit: str
    show: str

    def floor(self, name: str, measured: float) -> GateCheck:
        """Check that the figure is at least the limit."""
        return self._check(name, measured, self.value - measured, ("at or above", "below", "floor"))

    def ceiling(self, name: str, measured: float) -> GateCheck:
        """Check that the figure is at most the limit."""
        return self._check(name, measured, measured - self.value, ("within", "above", "limit"))

    def _check(self, name: str, measured: float, shortfall: float, words: tuple[str, str, str]) -> GateCheck:
        passed = shortfall <= 0
        if math.isnan(measured):
            sentence = f"{self.subject} was not measured, but gate.{self.setting} limits it."
        else:
            inside, outside, limit = words
            sentence = (
                f"{self.subject} is {measured:{self.show}}, {inside if passed else outside} "
                f"the {limit} of {self.value:{self.show}} (gate.{self.setting})."
            )
        figures = {self.figure: measured, self.setting: self.value}
        return make_check(name, passed, figures, sentence, shortfall=shortfall, unit=self.unit)


def macro_f1_floor(evaluation: object, gate: GateConfig) -> GateCheck:
    """Check that macro F1 reaches its floor."""
    limit = Limit("macro_f1", "Macro F1", "min_macro_f1", gate.min_macro_f1, "macro F1", ".3f")
    return limit.floor("floor", get_number(evaluation, "macro_f1"))


def beats_baselines(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    """Check that macro F1 exceeds that of each baseline by more than the margin; one check a baseline."""
    macro_f1, margin = get_number(evaluation, "macro_f1"), gate.baseline_margin
    baselines = evaluation.get("baselines") if isinstance(evaluation, Mapping) else None
    if not isinstance(baselines, Mapping):
        sentence = "No baseline was measured, but gate.baseline_margin requires one."
        yield make_check("baseline", False, {}, sentence)
        return
    by_margin = f" by more than {margin:.3f} (gate.baseline_margin)" if margin else ""
    for name in sorted(baselines):
        baseline = get_number(baselines, name, "macro_f1")
        passed = macro_f1 > baseline + margin
        verb = "beats" if passed else "does not beat"
        sentence = f"Macro F1 of {macro_f1:.3f} {verb} the {baseline:.3f} of baseline {name}{by_margin}."
        figures = {"macro_f1": macro_f1, "baseline_macro_f1": baseline, "baseline_margin": margin}
        shortfall = baseline + margin - macro_f1
        yield make_check(f"baseline {name}", passed, figures, sentence, shortfall=shortfall, unit="macro F1")


def ability_floors(evaluation: object, gate: GateConfig) -> Iterator[GateCheck]:
    """Check the pass rate of each ability that has a floor; one check an ability."""
    for name, floor in sorted(gate.abilities.items()):
        limit = Limit("pass_rate", f"The pass rate of ability {name}", "abilities", floor, "pass rate", ".1%")
        yield limit.floor(f"ability {name}", get_number(evaluation, "behaviour", name, "pass_rate"))


def attack_drop(evaluation: object, gate: GateConfig) -> GateCheck:
    """Check that macro F1 drops by at most the limit under attack; passes where no attack was measured."""
    if not isinstance(evaluation, Mapping) or evaluation.get("attack") is None:
        return make_check("attack", True, {}, "The candidate was not attacked, so there is no drop to limit.")
    subject, unit = "The drop of macro F1 under attack", "macro F1 under attack"
    limit = Limit("drop", subject, "max_attack_drop", gate.max_attack_drop, unit, ".3f")
    return limit.ceiling("attack", get_number(evaluation, "attack", "fall"))


def calibration_error(evaluation: object, gate: GateConfig) -> GateCheck:
    """Check that the expected calibration error is within its limit."""
    subject, value = "The expected calibration error", gate.max_calibration_error
    limit = Limit("ece", subject, "max_calibration_error", value, "calibration error", ".3f")
    return limit.ceiling("calibration", get_number(evaluation, "calibration", "ece"))


def latency(variant: object, gate: GateConfig) -> GateCheck:
    """Check that the 95th percentile of the latency of one text is within its limit."""
    subject = "The 95th percentile of milliseconds for one text"
    limit = Limit("p95_ms", subject, "max_p95_ms", gate.max_p95_ms, "ms", ".1f")
    return limit.ceiling("latency", get_number(variant, "p95_ms"))


def model_size(variant: object, gate: GateConfig) -> GateCheck:
    """Check that the size of the served files is within its limit."""
    limit = Limit("megabytes", "The size in megabytes", "max_megabytes", gate.max_megabytes, "MB", ".1f")
    return limit.ceiling("size", get_number(variant, "megabytes"))


def data_checks(checks: object) -> GateCheck:
    """Check that the data passed every check of theirs, and that there was at least one."""
    all_checks = list(checks) if isinstance(checks, list | tuple) else []
    failed = [str(check.get("name")) for check in all_checks if check.get("passed") is not True]
    figures = {"checks": len(all_checks), "failed": len(failed)}
    if not all_checks:
        return make_check("data", False, figures, "No check of the data is recorded.")
    if failed:
        sentence = f"The data failed {len(failed)} of {len(all_checks)} checks: {', '.join(failed)}."
        return make_check("data", False, figures, sentence)
    return make_check("data", True, figures, f"The data passed all {len(all_checks)} checks.")


def not_rolled_back(candidate: Mapping[str, object]) -> GateCheck:
    """Check that nobody rolled this very candidate back; fails where the record does not say."""
    unknown = "It is not recorded whether this candidate was rolled back."
    rollback = candidate.get("previously_rolled_back", unknown)
    if rollback is None:
        return make_check("rollback", True, {}, "This candidate was never rolled back.")
    return make_check("rollback", False, {}, str(rollback))
