"""Whether a candidate may be released: an answer with reasons, made of parts that each give their own.

The answer depends on the figures handed in and on nothing else, so it can be made again from the record of a release.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config import GateConfig
from pipeline.evaluate.compare import Comparison


@dataclass(frozen=True)
class Part:
    """Hold one question of the gate, its answer, the figures it rests on, and one sentence."""

    name: str
    passed: bool
    figures: Mapping[str, float]
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Hold the answer; `reasons` are the sentences of the failed parts, or of all parts when none failed."""

    accepted: bool
    reasons: tuple[str, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> "Decision":
        """Accept when every part passed."""
        assert parts
        failed = tuple(part for part in parts if not part.passed)
        return cls(accepted=not failed, reasons=tuple(part.sentence for part in failed or parts), parts=parts)

    @classmethod
    def from_json(cls, text: str) -> "Decision":
        """Make the decision again from the parts of its own record; what the record claims beside them is not believed."""
        return cls.of(tuple(Part(**part) for part in json.loads(text)["parts"]))

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, as they stand in a release document."""
        return {
            "accepted": self.accepted,
            "reasons": list(self.reasons),
            "parts": [{**dataclasses.asdict(part), "figures": dict(part.figures)} for part in self.parts],
        }

    def to_json(self) -> str:
        """Give the record that `from_json` reads."""
        return json.dumps(self.as_dict(), sort_keys=True)


def decide(evaluation: Mapping[str, Any], comparison: Comparison | None, withdrawn: str | None, gate: GateConfig) -> Decision:
    """Decide on one candidate.

    `evaluation` is the document of evaluation.json; `comparison` is None when nothing is in service yet;
    `withdrawn` says who rolled this very candidate back, when and why.
    """
    return Decision.of(
        (
            _floor(evaluation, gate),
            *_baselines(evaluation, gate),
            _champion(comparison, gate),
            *_withdrawn(withdrawn),
        )
    )


# Every comparison below is written so that a figure that is not a number fails.


def _floor(evaluation: Mapping[str, Any], gate: GateConfig) -> Part:
    found, needed = evaluation["macro_f1"], gate.min_macro_f1
    passed = bool(found >= needed)
    sentence = f"Macro F1 is {found:.3f}, {'at or above' if passed else 'below'} the floor of {needed:.3f} (gate.min_macro_f1)."
    return Part("floor", passed, {"macro_f1": found, "min_macro_f1": needed}, sentence)


def _baselines(evaluation: Mapping[str, Any], gate: GateConfig) -> Iterator[Part]:
    found, margin = evaluation["macro_f1"], gate.baseline_margin
    for name, baseline in sorted(evaluation["baselines"].items()):
        theirs = baseline["macro_f1"]
        passed = bool(found > theirs + margin)
        wanted = f" by more than {margin:.3f} (gate.baseline_margin)" if margin else ""
        sentence = f"Macro F1 is {found:.3f} and {name} reaches {theirs:.3f}: the baseline is {'' if passed else 'not '}beaten{wanted}."
        yield Part(f"baseline {name}", passed, {"macro_f1": found, "baseline_macro_f1": theirs, "baseline_margin": margin}, sentence)


def _champion(comparison: Comparison | None, gate: GateConfig) -> Part:
    if comparison is None:
        return Part("champion", True, {}, "There is no champion yet, so there is nothing to be worse than.")
    margin = gate.champion_margin
    passed = bool(comparison.low > -margin)
    figures = {name: value for name, value in dataclasses.asdict(comparison).items() if name != "champion"}
    sentence = (
        f"Against champion {comparison.champion} on the same {comparison.texts:,} texts macro F1 changes by {comparison.difference:+.3f}, "
        f"with {comparison.confidence:.0%} confidence by more than {comparison.low:+.3f}: "
        f"{'within' if passed else 'not surely within'} the fall of {margin:.3f} that is tolerated (gate.champion_margin)."
    )
    return Part("champion", passed, {**figures, "champion_margin": margin}, sentence)


def _withdrawn(withdrawn: str | None) -> Iterator[Part]:
    if withdrawn is None:
        yield Part("withdrawn", True, {}, "This candidate was never rolled back.")
    else:
        yield Part("withdrawn", False, {}, withdrawn)
