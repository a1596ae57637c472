"""The checks against the champion: it is beaten, no slice drops, no source or ability is lost."""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.config import GateConfig
from pipeline.base.tasks.scores import score_key, score_title
from pipeline.core.evaluate.regressions import regression_state
from pipeline.core.gate.checks import GateCheck, get_number, make_check

Row = Mapping[str, object]


def better_than_champion(comparison: Row | None, gate: GateConfig) -> GateCheck:
    """Check that the candidate beats the champion, or is not worse than it (`gate.against_champion`).

    The lower bound of the difference in macro F1, at the level that this look at the test split may spend,
    must exceed 0, or minus `gate.champion_margin`.
    """
    if comparison is None:
        return make_check(
            "champion", True, {}, "There is no champion yet, so there is nothing to compare with."
        )
    figures = _overall_figures(comparison, gate)
    if reason := _unusable(comparison, gate, [figures[name] for name in ("difference", "lower", "level")]):
        sentence = f"The candidate cannot be compared with the champion: {reason}"
        return make_check("champion", False, figures, sentence)
    change = _change(comparison, figures)
    if figures["level"] <= 0:
        sentence = f"{change}. {_exhausted(figures)}"
        return make_check("champion", False, figures, sentence)
    lower, margin = figures["lower"], gate.champion_margin
    if gate.against_champion == "not_worse":
        passed, shortfall = lower > -margin, -margin - lower
        ruled_out = "is ruled out" if passed else "cannot be ruled out"
        verdict = f"a drop of more than {margin:.3f} (gate.champion_margin) {ruled_out}."
    else:
        # Where no prediction differs, the bound is 0, and the candidate lacks the smallest detectable gain.
        passed, shortfall = lower > 0, -lower if lower < 0 else figures["minimum_detectable"]
        verdict = _improvement(figures, gate, passed=passed)
    sentence = f"{change}; {_look(figures)}: {verdict}{_left_out(comparison)}"
    unit = score_title(comparison)
    return make_check("champion", passed, figures, sentence, shortfall=shortfall, unit=unit)


@dataclass(frozen=True)
class DropRule:
    """No row of one list of the comparison may be worse than the margin allows, as far as the texts tell."""

    name: str
    rows: str
    subject: str
    setting: str
    # Without one it is the score of the comparison.
    unit: str = ""

    def check(self, comparison: Row | None, gate: GateConfig) -> GateCheck:
        """Check every row: `regression_state` says which of them refuse the candidate."""
        if comparison is None:
            sentence = f"There is no champion yet, so no {self.subject} are compared."
            return make_check(self.name, True, {}, sentence)
        margin = float(operator.attrgetter(self.setting)(gate))
        rows = comparison.get(self.rows)
        reason = _unusable(comparison, gate)
        if reason or not isinstance(rows, list | tuple):
            sentence = f"The {self.subject} cannot be compared: {reason or 'nothing was measured.'}"
            return make_check(self.name, False, {self.setting: margin}, sentence)
        judged = [(row, _state(row, margin, gate)) for row in rows]
        return self._outcome(judged, margin, gate, self.unit or score_title(comparison))

    def _outcome(
        self, judged: Sequence[tuple[Row, str]], margin: float, gate: GateConfig, unit: str
    ) -> GateCheck:
        refusing = [row for row, state in judged if state in ("worse", "not shown", "not measured")]
        unknown = [row for row, state in judged if state == "not known"]
        figures = {
            "compared": float(len(judged)),
            "worse": float(len(refusing)),
            "unknown": float(len(unknown)),
            self.setting: margin,
        }
        subject = f"{self.subject.capitalize()} with a drop of more than {margin:.3f} (gate.{self.setting})"
        rest = _rest(unknown, len(judged) - len(refusing) - len(unknown), gate)
        if not refusing:
            sentence = f"{subject}: none of {len(judged)} shown.{rest}"
            return make_check(self.name, True, figures, sentence)
        refusing.sort(key=lambda row: _shortfall(row, margin), reverse=True)
        drops = "; ".join(_drop(row, margin, gate) for row in refusing)
        name = str(refusing[0].get("name"))
        unit = f"{'F1' if name.startswith('class=') else unit} of {name}"
        sentence = f"{subject}: {len(refusing)} of {len(judged)}: {drops}.{rest}"
        shortfall = _shortfall(refusing[0], margin)
        return make_check(self.name, False, figures, sentence, shortfall=shortfall, unit=unit)


DROP_RULES = (
    DropRule("slices", "slices", "slices", "slice_margin"),
    DropRule("forgetting", "forgetting", "sources of the champion's training data", "forgetting_margin"),
    DropRule("abilities", "abilities", "abilities", "ability_margin", unit="pass rate"),
    DropRule("attack champion", "attack", "scores under attack", "attack_margin"),
)


def _overall_figures(comparison: Row, gate: GateConfig) -> dict[str, float]:
    names = ("candidate", "champion", "difference", "low", "high", "lower", "minimum_detectable")
    return {
        **{name: get_number(comparison, score_key(comparison), name) for name in names},
        "texts": get_number(comparison, "texts"),
        "look": get_number(comparison, "look", "number"),
        "looks": get_number(comparison, "look", "allowed"),
        "level": get_number(comparison, "look", "level"),
        "confidence": gate.confidence,
        "champion_margin": gate.champion_margin,
    }


def _state(row: Row, margin: float, gate: GateConfig) -> str:
    difference, lower, standard_error, p_adjusted = (
        get_number(row, name) for name in ("difference", "lower", "standard_error", "p_adjusted")
    )
    figures = (difference, lower, standard_error, p_adjusted)
    if any(map(math.isnan, figures)):
        return "not measured"
    return regression_state(figures, margin=margin, gate=gate)


def _unusable(comparison: Row, gate: GateConfig, required: Sequence[float] = ()) -> str | None:
    settings = {
        ("confidence",): gate.confidence,
        ("power",): gate.power,
        ("margin",): gate.slice_margin,
        ("forgetting_margin",): gate.forgetting_margin,
        ("ability_margin",): gate.ability_margin,
        ("attack_margin",): gate.attack_margin,
        ("look", "allowed"): gate.looks,
    }
    changed = [path for path, value in settings.items() if get_number(comparison, *path) != value]
    if changed:
        names = ", ".join("number of looks" if path == ("look", "allowed") else path[0] for path in changed)
        return (
            f"it was made with a {names} that differs from the gate's. "
            "Type `tonewatch run` to judge the candidate again."
        )
    return "it was not measured." if any(map(math.isnan, required)) else None


def _change(comparison: Row, figures: Mapping[str, float]) -> str:
    texts, champion = f"On the same {figures['texts']:,.0f} texts", comparison.get("champion")
    if get_number(comparison, "changed", "count") == 0 == figures["difference"]:
        return f"{texts} the candidate predicts exactly what champion {champion} predicts"
    return (
        f"{texts} {score_title(comparison)} changes by {figures['difference']:+.3f} against champion "
        f"{champion} ({figures['confidence']:.0%} interval {figures['low']:+.3f} to {figures['high']:+.3f})"
    )


def _look(figures: Mapping[str, float]) -> str:
    return (
        f"at look {figures['look']:.0f} of {figures['looks']:.0f} at this test split, which may err with "
        f"{figures['level']:.2%}, the lower bound is {figures['lower']:+.3f}"
    )


def _exhausted(figures: Mapping[str, float]) -> str:
    return (
        f"All {figures['looks']:.0f} looks at this test split are used up (gate.looks), so no gain on it can "
        "be told from luck any more. Collect new labelled texts: `tonewatch release show` says how many a "
        "new test split needs."
    )


def _left_out(comparison: Row) -> str:
    entries = comparison.get("left_out")
    sentences = []
    for entry in entries if isinstance(entries, list | tuple) else ():
        release, texts, unknown = entry.get("release"), get_number(entry, "texts"), entry.get("unknown")
        if unknown:
            sentences.append(f" Which of them {release} was trained on is not known: {unknown}")
        elif texts:
            sentences.append(f" {texts:,.0f} more are left out, since {release} was trained on them.")
    return "".join(sentences)


def _improvement(figures: Mapping[str, float], gate: GateConfig, *, passed: bool) -> str:
    if passed:
        return "a significant improvement (gate.against_champion)."
    outcome = "a significant drop" if figures["high"] < 0 else "no significant improvement"
    detectable = figures["minimum_detectable"]
    if math.isnan(detectable):
        return f"{outcome} (gate.against_champion)."
    power = f"A gain of {detectable:.3f} is detected on these texts with {gate.power:.0%} power."
    return f"{outcome} (gate.against_champion). {power}"


def _rest(unknown: Sequence[Row], ruled_out: int, gate: GateConfig) -> str:
    """Say of the rows that do not refuse which bound speaks for them, and which are not known."""
    sentences = ""
    if ruled_out:
        sentences = f" For {ruled_out} it is ruled out by the one-sided {gate.confidence:.0%} lower bound."
    if not unknown:
        return sentences
    rows = "; ".join(
        f"{row.get('name')} ({get_number(row, 'texts'):,.0f} texts, "
        f"lower bound {get_number(row, 'lower'):+.3f})"
        for row in unknown
    )
    return f"{sentences} Not known for {len(unknown)}, which have too few texts: {rows}."


def _shortfall(row: Row, margin: float) -> float:
    """Return by how much the lower bound misses the margin; infinite where it was not measured."""
    lower = get_number(row, "lower")
    return math.inf if math.isnan(lower) else -margin - lower


def _drop(row: Row, margin: float, gate: GateConfig) -> str:
    names = ("champion", "candidate", "low", "high", "lower", "p_adjusted", "texts")
    figures = {name: get_number(row, name) for name in names}
    state = _state(row, margin, gate)
    if state == "not measured":
        return f"{row.get('name')} was not measured"
    change = (
        f"{row.get('name')} from {figures['champion']:.3f} of {row.get('against')} to "
        f"{figures['candidate']:.3f} on {figures['texts']:,.0f} texts"
    )
    if state == "worse":
        interval = f"interval {figures['low']:+.3f} to {figures['high']:+.3f}, p {figures['p_adjusted']:.2g}"
        return f"{change} ({interval} by max-T)"
    return f"{change} (such a drop is not ruled out: lower bound {figures['lower']:+.3f})"
