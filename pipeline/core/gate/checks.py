"""What a check is, and the checks of facts: latency, size, data, earlier rollbacks.

Every comparison fails where a figure is absent or not a number.
"""

import math
from collections.abc import Mapping
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
