"""A rollback whose pass died is reported by the next one, once, and only if the champion moved."""

from pathlib import Path

import pytest

from pipeline.base.config import Workspace
from pipeline.core.monitor.quality import RegressionVerdict
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.auto_rollback import RollbackDecision
from pipeline.monitoring.begun_rollback import end_rollback, record_rollback, unraised_rollback

NOON = "2026-11-25T12:00:00Z"


def test_a_rollback_whose_pass_died_is_reported_by_the_next(tmp_path: Path) -> None:
    workspace = Workspace.of(tmp_path, {})
    ledger = Ledger(workspace.ledger)
    for name, champion in (("R1", None), ("R2", "R1")):
        ledger.add({"identity": name})
        ledger.move(expected=champion, target=name, actor="ada", reason="better")
    verdict = RegressionVerdict(degraded=True, reason="R2 is less accurate", figures=None)
    decision = RollbackDecision(NOON, "R2", ledger.last_move(), verdict=verdict)

    record_rollback(workspace, decision)
    before = unraised_rollback(workspace)
    ledger.move(expected="R2", target="R1", actor="watch", reason="R2 is less accurate")
    (alert,) = unraised_rollback(workspace)
    end_rollback(workspace)

    assert before == unraised_rollback(workspace) == []
    assert (alert.title, alert.message) == ("R2 was rolled back to R1", "R2 is less accurate")


def test_a_pass_without_a_rollback_stores_nothing(tmp_path: Path) -> None:
    workspace = Workspace.of(tmp_path, {})

    record_rollback(workspace, RollbackDecision(NOON))
    end_rollback(workspace)

    assert unraised_rollback(workspace) == []


@pytest.mark.parametrize("content", ["", "[]", '{"alert": 1}', '{"alert": {}, "after": "x"}'])
def test_a_damaged_record_raises_nothing(tmp_path: Path, content: str) -> None:
    workspace = Workspace.of(tmp_path, {})
    workspace.windows.mkdir(parents=True)
    (workspace.windows / "rollback.json").write_text(content)

    assert unraised_rollback(workspace) == []
