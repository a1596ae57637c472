"""The checks against the champion: it is beaten, no slice drops significantly, nothing is forgotten."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import GateConfig
from pipeline.core.gate.checks import GateCheck, get_number, make_check


def better_than_champion(comparison: Mapping[str, object] | None, gate: GateConfig) -> GateCheck:
    """Check that the candidate beats the champion, or is not worse than it (`gate.against_champion`).

    The lower bound of the difference in macro F1 (paired bootstrap) must exceed 0, or minus
    `gate.champion_margin`.
    """
    if comparison is None:
        return make_check(
            "champion", True, {}, "There is no champion yet, so there is nothing to compare with."
        )
    names = ("candidate", "champion", "difference", "low", "high", "minimum_detectable")
    figures = {name: get_number(comparison, "macro_f1", name) for name in names}
    figures |= {
        "texts": get_number(comparison, "texts"),
        "confidence": gate.confidence,
        "champion_margin": gate.champion_margin,
    }
    if reason := _unusable(comparison, gate, (figures["difference"], figures["low"], figures["high"])):
        sentence = f"The candidate cannot be compared with the champion: {reason}"
        return make_check("champion", False, figures, sentence)
    low, margin = figures["low"], gate.champion_margin
    if gate.against_champion == "not_worse":
        passed, shortfall = low > -margin, -margin - low
        ruled_out = "is ruled out" if passed else "cannot be ruled out"
        verdict = f"a drop of more than {margin:.3f} (gate.champion_margin) {ruled_out}."
    else:
        # Where no prediction differs, low is 0 and the smallest detectable gain is what the candidate lacks.
        passed, shortfall = low > 0, -low if low < 0 else figures["minimum_detectable"]
        verdict = _improvement(figures, gate, passed=passed)
    sentence = f"{_change(comparison, figures)}: {verdict}"
    return make_check("champion", passed, figures, sentence, shortfall=shortfall, unit="macro F1")


def no_slice_regression(comparison: Mapping[str, object] | None, gate: GateConfig) -> GateCheck:
    """Check that no slice drops significantly by more than the margin, adjusted for the number of slices."""
    return _DropRule("slices", "slices", "slice_margin", gate.slice_margin).check(comparison, gate)


def no_forgetting(comparison: Mapping[str, object] | None, gate: GateConfig) -> GateCheck:
    """Check the same of each source that the champion was trained on."""
    subject = "sources of the champion's training data"
    return _DropRule("forgetting", subject, "forgetting_margin", gate.forgetting_margin).check(
        comparison, gate
    )


@dataclass(frozen=True)
class _DropRule:
    name: str
    subject: str
    setting: str
    margin: float

    def check(self, comparison: Mapping[str, object] | None, gate: GateConfig) -> GateCheck:
        if comparison is None:
            sentence = f"There is no champion yet, so no {self.subject} are compared."
            return make_check(self.name, True, {}, sentence)
        rows = comparison.get(self.name)
        reason = _unusable(comparison, gate)
        if reason or not isinstance(rows, list | tuple):
            sentence = f"The {self.subject} cannot be compared: {reason or 'nothing was measured.'}"
            return make_check(self.name, False, {self.setting: self.margin}, sentence)
        worse = [row for row in rows if not get_number(row, "p_holm") > 1 - gate.confidence]
        return self._outcome(len(rows), sorted(worse, key=self._shortfall, reverse=True))

    def _outcome(self, compared: int, worse: Sequence[Mapping[str, object]]) -> GateCheck:
        figures = {"compared": float(compared), "worse": float(len(worse)), self.setting: self.margin}
        subject = (
            f"{self.subject.capitalize()} with a significant drop of more than {self.margin:.3f} "
            f"(gate.{self.setting})"
        )
        if not worse:
            return make_check(self.name, True, figures, f"{subject}: none of {compared}.")
        first = str(worse[0].get("name"))
        unit = f"{'F1' if first.startswith('class=') else 'macro F1'} of {first}"
        sentence = f"{subject}: {len(worse)} of {compared}: {'; '.join(map(_drop, worse))}."
        shortfall = self._shortfall(worse[0])
        return make_check(self.name, False, figures, sentence, shortfall=shortfall, unit=unit)

    def _shortfall(self, row: Mapping[str, object]) -> float:
        """Return by how much the drop exceeds the margin; infinite where it was not measured."""
        bound = get_number(row, "bound")
        return math.inf if math.isnan(bound) else -self.margin - bound


def _unusable(
    comparison: Mapping[str, object], gate: GateConfig, required: Sequence[float] = ()
) -> str | None:
    settings = {
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
    }
    changed = [name for name, value in settings.items() if get_number(comparison, name) != value]
    if changed:
        return (
            f"it was made with a {', '.join(changed)} that differs from the gate's. "
            "Type `tonewatch run` to judge the candidate again."
        )
    return "it was not measured." if any(map(math.isnan, required)) else None


def _change(comparison: Mapping[str, object], figures: Mapping[str, float]) -> str:
    texts, champion = f"On the same {figures['texts']:,.0f} texts", comparison.get("champion")
    if get_number(comparison, "changed", "count") == 0:
        return f"{texts} the candidate predicts exactly what champion {champion} predicts"
    return (
        f"{texts} macro F1 changes by {figures['difference']:+.3f} against champion {champion} "
        f"({figures['confidence']:.0%} interval {figures['low']:+.3f} to {figures['high']:+.3f})"
    )


def _improvement(figures: Mapping[str, float], gate: GateConfig, *, passed: bool) -> str:
    if passed:
        return "a significant improvement (gate.against_champion)."
    outcome = "a significant drop" if figures["high"] < 0 else "no significant improvement"
    detectable = figures["minimum_detectable"]
    if math.isnan(detectable):
        return f"{outcome} (gate.against_champion)."
    power = f"A gain of {detectable:.3f} is detected on these texts with {gate.power:.0%} power."
    return f"{outcome} (gate.against_champion). {power}"


def _drop(row: Mapping[str, object]) -> str:
    names = ("champion", "candidate", "low", "high", "p_holm", "texts")
    figures = {name: get_number(row, name) for name in names}
    if any(map(math.isnan, figures.values())):
        return f"{row.get('name')} was not measured"
    return (
        f"{row.get('name')} from {figures['champion']:.3f} to {figures['candidate']:.3f} "
        f"on {figures['texts']:,.0f} texts "
        f"(interval {figures['low']:+.3f} to {figures['high']:+.3f}, p {figures['p_holm']:.2g})"
    )
