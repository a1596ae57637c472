"""The alerts of a rollback decision."""

from dataclasses import replace

from pipeline.core.monitor.quality import RegressionVerdict
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.monitoring.auto_rollback import RollbackDecision

MOVE = ChampionMove(4, "R2", "R4", "ada", "better", "2026-11-24T08:00:00Z", "0" * 64)
DECISION = RollbackDecision("2026-11-25T08:00:00Z", "R4", MOVE)
DEGRADED = replace(DECISION, verdict=RegressionVerdict(True, "a drop of 0.200", None))


def test_a_rollback_is_reported_with_its_reason() -> None:
    (alert,) = DEGRADED.alerts(rolled_back=True)

    assert (alert.key, alert.title) == ("rollback/R4/4/True", "R4 was rolled back to R2")
    assert alert.message == "a drop of 0.200"


def test_a_failed_rollback_is_reported_under_a_key_of_its_own() -> None:
    (alert,) = DEGRADED.alerts(rolled_back=False)

    assert (alert.key, alert.title) == ("rollback/R4/4/False", "R4 could not be rolled back to R2")


def test_an_accuracy_below_that_of_the_gate_requests_a_retrain() -> None:
    low = replace(
        DECISION,
        observed={
            "labels": 1675,
            "accuracy": 0.6,
            "low": 0.58,
            "high": 0.62,
            "macro_f1": 0.5,
            "macro_f1_low": 0.48,
            "macro_f1_high": 0.52,
        },
        expected=0.7,
        falls_short=True,
    )

    (alert,) = low.alerts(rolled_back=False)

    assert (alert.key, alert.requests_retrain) == ("quality/R4", True)
    assert alert.title == "R4 is less accurate than the gate measured"
    assert alert.message == (
        "By 1,675 audit labels the accuracy of R4 is 0.600 (0.580 to 0.620); "
        "the gate measured at least 0.700."
    )
    # The interval alone says nothing: it holds at one look and not at every look.
    assert list(replace(low, falls_short=False).alerts(rolled_back=False)) == []


def test_without_a_regression_there_is_no_alert() -> None:
    fine = replace(DECISION, verdict=RegressionVerdict(False, "no change", None))

    assert list(fine.alerts(rolled_back=False)) == []
