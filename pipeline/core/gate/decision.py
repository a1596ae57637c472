"""Whether a candidate may be released: an answer with reasons, made of parts that each give their own.

The answer depends on the figures handed in and on nothing else, so it can be made again from the record of a release.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.base.config import GateConfig
from pipeline.core.gate import champion_checks
from pipeline.core.gate import checks as parts
from pipeline.core.gate.checks import GateCheck


@dataclass(frozen=True)
class GateDecision:
    """Hold the answer; `reasons` are the sentences of the failed parts, or of all parts when none failed."""

    accepted: bool
    reasons: tuple[str, ...]
    parts: tuple[GateCheck, ...]

    @classmethod
    def of(cls, parts: tuple[GateCheck, ...]) -> "GateDecision":
        """Accept when every part passed."""
        assert parts
        failed = tuple(part for part in parts if not part.passed)
        return cls(accepted=not failed, reasons=tuple(part.sentence for part in failed or parts), parts=parts)

    @classmethod
    def from_json(cls, text: str) -> "GateDecision":
        """Make the decision again from the parts of its own record; what the record claims beside them is not believed."""
        return cls.of(tuple(GateCheck(**part) for part in json.loads(text)["parts"]))

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


def decide(
    candidate: Mapping[str, Any], champion: Mapping[str, Any] | None, gate: GateConfig
) -> GateDecision:
    """Decide on one candidate.

    `candidate` holds the documents `evaluation` and `cost`, the `checks` of its data ({name, passed, sentence} each), and
    `withdrawn`: who rolled this very candidate back, when and why, or None. `champion` is the document of the comparison with
    what is in service, None when nothing is.
    """
    evaluation, cost = candidate.get("evaluation"), candidate.get("cost")
    return GateDecision.of(
        (
            parts.macro_f1_floor(evaluation, gate),
            *parts.beats_baselines(evaluation, gate),
            champion_checks.better_than_champion(champion, gate),
            champion_checks.no_slice_regression(champion, gate),
            champion_checks.no_forgetting(champion, gate),
            *parts.ability_floors(evaluation, gate),
            parts.attack_drop(evaluation, gate),
            parts.calibration_error(evaluation, gate),
            parts.latency(cost, gate),
            parts.model_size(cost, gate),
            parts.data_checks(candidate.get("checks")),
            parts.not_rolled_back(candidate),
        )
    )
