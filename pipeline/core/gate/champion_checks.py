"""The questions of the gate that need a champion: better beyond noise, no slice surely worse, nothing forgotten."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import GateConfig
from pipeline.core.gate.checks import GateCheck, get_number, make_check


def better_than_champion(comparison: Mapping[str, Any] | None, gate: GateConfig) -> GateCheck:
    """Ask whether the candidate is better than the champion beyond noise, or not worse by more than the margin."""
    if comparison is None:
        return make_check(
            "champion", True, {}, "There is no champion yet, so there is nothing to be better than."
        )
    names = ("candidate", "champion", "difference", "low", "high", "visible")
    figures = {name: get_number(comparison, "macro_f1", name) for name in names}
    figures |= {
        "texts": get_number(comparison, "texts"),
        "confidence": gate.confidence,
        "champion_margin": gate.champion_margin,
    }
    if reason := _unusable(comparison, gate, (figures["difference"], figures["low"], figures["high"])):
        return make_check(
            "champion", False, figures, f"Macro F1 cannot be set beside the champion's: {reason}"
        )
    low, margin = figures["low"], gate.champion_margin
    if gate.against_champion == "not_worse":
        passed, missing = low > -margin, -margin - low
        verdict = f"{'surely' if passed else 'not surely'} within the fall of {margin:.3f} that is tolerated (gate.champion_margin)."
    else:
        # Where nothing differs low is 0, and what is missing is a gain that shows.
        passed, missing = low > 0, -low if low < 0 else figures["visible"]
        verdict = "better beyond noise (gate.against_champion)." if passed else _no_better(figures, gate)
    return make_check(
        "champion",
        passed,
        figures,
        f"{_change(comparison, figures)}: {verdict}",
        missing=missing,
        unit="macro F1",
    )


def no_slice_regression(comparison: Mapping[str, Any] | None, gate: GateConfig) -> GateCheck:
    """Ask that no slice is surely worse by more than the margin, all slices in view."""
    return _Falls("slices", "slices", "slice_margin", gate.slice_margin).judged(comparison, gate)


def no_forgetting(comparison: Mapping[str, Any] | None, gate: GateConfig) -> GateCheck:
    """Ask the same of each source the champion had learnt."""
    return _Falls(
        "forgetting", "sources the champion had learnt", "forgetting_margin", gate.forgetting_margin
    ).judged(comparison, gate)


@dataclass(frozen=True)
class _Falls:
    name: str
    things: str
    setting: str
    margin: float

    def judged(self, comparison: Mapping[str, Any] | None, gate: GateConfig) -> GateCheck:
        if comparison is None:
            return make_check(
                self.name, True, {}, f"There is no champion yet, so no {self.things} are compared."
            )
        entries = comparison.get(self.name)
        if reason := _unusable(comparison, gate) or (
            None if isinstance(entries, list | tuple) else "nothing was compared."
        ):
            return make_check(
                self.name, False, {self.setting: self.margin}, f"The {self.things} cannot be judged: {reason}"
            )
        known: Sequence[Any] = list(entries or [])
        worse = [entry for entry in known if not get_number(entry, "p_holm") > 1 - gate.confidence]
        return self._part(known, sorted(worse, key=self._regained, reverse=True))

    def _part(self, known: Sequence[Any], worse: Sequence[Any]) -> GateCheck:
        figures = {"compared": float(len(known)), "worse": float(len(worse)), self.setting: self.margin}
        question = f"{self.things.capitalize()} that surely fell by more than {self.margin:.3f} (gate.{self.setting})"
        if not worse:
            return make_check(self.name, True, figures, f"{question}: none of {len(known)}.")
        first = str(worse[0].get("name"))
        unit = f"{'F1' if first.startswith('class=') else 'macro F1'} of {first}"
        sentence = f"{question}: {len(worse)} of {len(known)}: {'; '.join(map(_fall, worse))}."
        return make_check(self.name, False, figures, sentence, missing=self._regained(worse[0]), unit=unit)

    def _regained(self, entry: Any) -> float:
        """Say by how much the fall would have had to be smaller; what was not measured comes first."""
        bound = get_number(entry, "bound")
        return math.inf if math.isnan(bound) else -self.margin - bound


def _unusable(comparison: Mapping[str, Any], gate: GateConfig, needed: Sequence[float] = ()) -> str | None:
    terms = {
        "confidence": gate.confidence,
        "power": gate.power,
        "margin": gate.slice_margin,
        "forgetting_margin": gate.forgetting_margin,
    }
    other = [name for name, value in terms.items() if get_number(comparison, name) != value]
    if other:
        return f"the comparison was made with another {', '.join(other)} than the gate's. Judge the candidate again."
    return "it was not measured." if any(map(math.isnan, needed)) else None


def _change(comparison: Mapping[str, Any], figures: Mapping[str, float]) -> str:
    texts = f"the same {figures['texts']:,.0f} texts"
    if get_number(comparison, "changed", "count") == 0:
        return f"Against champion {comparison.get('champion')} {texts} all get the same answer"
    return (
        f"Against champion {comparison.get('champion')} on {texts} macro F1 changes by {figures['difference']:+.3f} "
        f"({figures['confidence']:.0%} interval {figures['low']:+.3f} to {figures['high']:+.3f})"
    )


def _no_better(figures: Mapping[str, float], gate: GateConfig) -> str:
    worse = "surely worse, and so " if figures["high"] < 0 else ""
    shown = (
        f" A gain of {figures['visible']:.3f} would have shown on these texts with {gate.power:.0%} power."
    )
    return f"{worse}no better beyond noise (gate.against_champion).{'' if math.isnan(figures['visible']) else shown}"


def _fall(entry: Any) -> str:
    name, found = (
        entry.get("name"),
        {key: get_number(entry, key) for key in ("champion", "candidate", "low", "high", "p_holm", "texts")},
    )
    if any(map(math.isnan, found.values())):
        return f"{name} was not measured"
    return (
        f"{name} from {found['champion']:.3f} to {found['candidate']:.3f} on {found['texts']:,.0f} texts "
        f"(interval {found['low']:+.3f} to {found['high']:+.3f}, p {found['p_holm']:.2g})"
    )
