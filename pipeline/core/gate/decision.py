"""The gate's decision on a candidate, made of checks.

It depends on its arguments alone, so it can be made again from the record of a release.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.base.config import GateConfig
from pipeline.base.documents import GateCheckRecord, GateDecisionRecord
from pipeline.core.gate import champion_checks, checks
from pipeline.core.gate.checks import GateCheck


@dataclass(frozen=True)
class GateDecision:
    """The outcome of all checks; `reasons` are the sentences of those that failed, or of all if none did."""

    accepted: bool
    reasons: tuple[str, ...]
    checks: tuple[GateCheck, ...]

    @classmethod
    def of(cls, checks: tuple[GateCheck, ...]) -> "GateDecision":
        """Accept where every check passed."""
        assert checks
        failed = tuple(check for check in checks if not check.passed)
        return cls(not failed, tuple(check.sentence for check in failed or checks), checks)

    def record(self) -> GateDecisionRecord:
        """Return the decision as a release record holds it."""
        records = [cast(GateCheckRecord, dataclasses.asdict(check)) for check in self.checks]
        return {"accepted": self.accepted, "reasons": list(self.reasons), "checks": records}


def decide(
    candidate: Mapping[str, object], comparison: Mapping[str, object] | None, gate: GateConfig
) -> GateDecision:
    """Decide whether a candidate may be released.

    `candidate` holds the keys of `GateEvidence` but `comparison`, which is that with the champion, None where
    there is none. A key or figure that is absent fails its check.
    """
    evaluation, variant = candidate.get("evaluation"), candidate.get("variant")
    return GateDecision.of(
        (
            checks.macro_f1_floor(evaluation, gate),
            *checks.beats_baselines(evaluation, gate),
            champion_checks.better_than_champion(comparison, gate),
            champion_checks.no_slice_regression(comparison, gate),
            champion_checks.no_forgetting(comparison, gate),
            *checks.ability_floors(evaluation, gate),
            checks.attack_drop(evaluation, gate),
            checks.calibration_error(evaluation, gate),
            checks.latency(variant, gate),
            checks.model_size(variant, gate),
            checks.data_checks(candidate.get("checks")),
            checks.not_rolled_back(candidate),
        )
    )
