"""The questions of the gate: each gives pass or fail, the figures it rests on, one sentence, and what was missing.

Every comparison is written so that a figure that is absent or not a number fails.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import GateConfig


@dataclass(frozen=True)
class GateCheck:
    """Hold one question of the gate and its answer.

    `missing` is by how much the figure named in `unit` would have had to be better to pass; None when it passed, or no figure says.
    """

    name: str
    passed: bool
    figures: Mapping[str, float | None]
    sentence: str
    missing: float | None = None
    unit: str = ""


def get_number(document: Any, *path: str) -> float:
    """Find a figure in a document; what is absent, or no finite number, is a NaN, with which no comparison holds."""
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
    missing: float = math.nan,
    unit: str = "",
) -> GateCheck:
    """Make a part of plain values; a figure that is not a number becomes None, since JSON knows no NaN."""
    known = {figure: value if math.isfinite(value) else None for figure, value in figures.items()}
    told = not passed and math.isfinite(missing)
    return GateCheck(
        name, passed, known, sentence, missing=missing if told else None, unit=unit if told else ""
    )


@dataclass(frozen=True)
class Limit:
    """Name a figure, in a record and in a sentence, and the setting of the gate that bounds it; `show` is a format."""

    figure: str
    subject: str
    setting: str
    value: float
    unit: str
    show: str

    def floor(self, name: str, found: float) -> GateCheck:
        """Ask for at least the limit."""
        return self._part(name, found, self.value - found, ("at or above", "below", "floor"))

    def ceiling(self, name: str, found: float) -> GateCheck:
        """Ask for at most the limit."""
        return self._part(name, found, found - self.value, ("within", "above", "limit"))

    def _part(self, name: str, found: float, missing: float, words: tuple[str, str, str]) -> GateCheck:
        passed = missing <= 0
        if math.isnan(found):
            sentence = f"{self.subject} was not measured, and gate.{self.setting} bounds it."
        else:
            kept, broken, limit = words
            sentence = (
                f"{self.subject} is {found:{self.show}}, {kept if passed else broken} "
                f"the {limit} of {self.value:{self.show}} (gate.{self.setting})."
            )
        figures = {self.figure: found, self.setting: self.value}
        return make_check(name, passed, figures, sentence, missing=missing, unit=self.unit)


def macro_f1_floor(evaluation: Any, gate: GateConfig) -> GateCheck:
    """Ask for a macro F1 of at least the floor."""
    limit = Limit("macro_f1", "Macro F1", "min_macro_f1", gate.min_macro_f1, "macro F1", ".3f")
    return limit.floor("floor", get_number(evaluation, "macro_f1"))


def beats_baselines(evaluation: Any, gate: GateConfig) -> Iterator[GateCheck]:
    """Ask for more than each baseline reaches."""
    found, margin = get_number(evaluation, "macro_f1"), gate.baseline_margin
    known = evaluation.get("baselines") if isinstance(evaluation, Mapping) else None
    if not isinstance(known, Mapping):
        yield make_check(
            "baseline", False, {}, "No baseline was measured, and gate.baseline_margin asks for it."
        )
        return
    for name in sorted(known):
        theirs = get_number(known, name, "macro_f1")
        passed = found > theirs + margin
        wanted = f" by more than {margin:.3f} (gate.baseline_margin)" if margin else ""
        sentence = f"Macro F1 is {found:.3f} and {name} reaches {theirs:.3f}: the baseline is {'' if passed else 'not '}beaten{wanted}."
        figures = {"macro_f1": found, "baseline_macro_f1": theirs, "baseline_margin": margin}
        yield make_check(
            f"baseline {name}", passed, figures, sentence, missing=theirs + margin - found, unit="macro F1"
        )


def ability_floors(evaluation: Any, gate: GateConfig) -> Iterator[GateCheck]:
    """Ask for the pass rate of each ability that has a floor."""
    for name, least in sorted(gate.abilities.items()):
        limit = Limit("pass_rate", f"The pass rate of ability {name}", "abilities", least, "pass rate", ".1%")
        yield limit.floor(f"ability {name}", get_number(evaluation, "behaviour", name, "pass_rate"))


def attack_drop(evaluation: Any, gate: GateConfig) -> GateCheck:
    """Ask for a bounded fall under attack, where there was one."""
    if not isinstance(evaluation, Mapping) or evaluation.get("attack") is None:
        return make_check("attack", True, {}, "The candidate was not attacked, so there is no fall to bound.")
    limit = Limit(
        "fall",
        "The fall of macro F1 under attack",
        "max_attack_fall",
        gate.max_attack_fall,
        "macro F1 under attack",
        ".3f",
    )
    return limit.ceiling("attack", get_number(evaluation, "attack", "fall"))


def calibration_error(evaluation: Any, gate: GateConfig) -> GateCheck:
    """Ask for probabilities that mean what they say."""
    limit = Limit(
        "ece",
        "The expected calibration error",
        "max_calibration_error",
        gate.max_calibration_error,
        "calibration error",
        ".3f",
    )
    return limit.ceiling("calibration", get_number(evaluation, "calibration", "ece"))


def latency(cost: Any, gate: GateConfig) -> GateCheck:
    """Ask for one text to be answered in time, in 95 of 100 cases."""
    limit = Limit(
        "p95_ms",
        "The 95th percentile of milliseconds for one text",
        "max_p95_ms",
        gate.max_p95_ms,
        "ms",
        ".1f",
    )
    return limit.ceiling("latency", get_number(cost, "p95_ms"))


def model_size(cost: Any, gate: GateConfig) -> GateCheck:
    """Ask for files small enough."""
    limit = Limit("megabytes", "The size in megabytes", "max_megabytes", gate.max_megabytes, "MB", ".1f")
    return limit.ceiling("size", get_number(cost, "megabytes"))


def data_checks(checks: Any) -> GateCheck:
    """Ask that every check of the data was passed, and that there was one."""
    known = list(checks) if isinstance(checks, list | tuple) else []
    failed = [str(check.get("name")) for check in known if check.get("passed") is not True]
    figures = {"checks": len(known), "failed": len(failed)}
    if not known:
        return make_check("data", False, figures, "No check of the data is recorded.")
    if failed:
        return make_check(
            "data",
            False,
            figures,
            f"The data failed {len(failed)} of {len(known)} checks: {', '.join(failed)}.",
        )
    return make_check("data", True, figures, f"The data passed all {len(known)} checks.")


def not_rolled_back(candidate: Mapping[str, Any]) -> GateCheck:
    """Ask that nobody went back from this very candidate."""
    said = candidate.get("withdrawn", "It is not recorded whether this candidate was rolled back.")
    return make_check(
        "withdrawn", said is None, {}, "This candidate was never rolled back." if said is None else str(said)
    )
