"""The gate's decision on a candidate, made of checks.

It depends on its arguments alone, so it can be made again from the record of a release.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.base.config import GateConfig
from pipeline.base.documents import GateCheckRecord, GateDecisionRecord
from pipeline.core.gate import champion_checks, checks, limits
from pipeline.core.gate.checks import GateCheck
from pipeline.core.gate.earlier_rules import earlier_checks
from pipeline.core.gate.task_checks import task_checks


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


# Records of earlier versions say no rules, or others.
RULES = 2


def decide(
    candidate: Mapping[str, object], comparison: Mapping[str, object] | None, gate: GateConfig
) -> GateDecision:
    """Decide whether a candidate may be released.

    `candidate` holds the keys of `GateEvidence` but `comparison`, which is that with the champion, None where
    there is none. A key or figure that is absent fails its check.
    """
    evaluation = candidate.get("evaluation")
    return GateDecision.of(
        (
            limits.macro_f1_floor(evaluation, gate),
            *limits.beats_baselines(evaluation, gate),
            champion_checks.better_than_champion(comparison, gate),
            *(rule.check(comparison, gate) for rule in champion_checks.DROP_RULES),
            *task_checks(evaluation, comparison, gate),
            *limits.ability_floors(evaluation, gate),
            limits.attack_drop(evaluation, gate),
            *limits.calibration_errors(evaluation, gate),
            *_facts(candidate, gate),
        )
    )


def decide_by_earlier_rules(
    candidate: Mapping[str, object], comparison: Mapping[str, object] | None, gate: GateConfig
) -> GateDecision:
    """Make the decision of an earlier version again; its sentences are empty. No candidate is judged so."""
    return GateDecision.of((*earlier_checks(candidate, comparison, gate), *_facts(candidate, gate)))


def _facts(candidate: Mapping[str, object], gate: GateConfig) -> tuple[GateCheck, ...]:
    """Check what is no estimate: the rules of every version are the same."""
    variant = candidate.get("variant")
    return (
        checks.latency(variant, gate),
        checks.model_size(variant, gate),
        checks.data_checks(candidate.get("checks")),
        checks.not_rolled_back(candidate),
    )
