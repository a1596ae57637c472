"""A pass of the watch that dies loses no alert, and the next one raises each once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import window_fixtures
from world import CHECKOUT

from pipeline.base.config import Workspace
from pipeline.core.monitor.quality import RegressionVerdict
from pipeline.io import alerts
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring import alerted
from pipeline.monitoring.alerted import Alerted, read_alerted, write_alerted
from pipeline.monitoring.auto_rollback import RollbackDecision
from pipeline.monitoring.watch import run_watch
from pipeline.monitoring.window_files import window_paths

NINE = "2026-11-25T09:00:00Z"
# Kills itself where the file with this name would get its name.
KILLED = """
import os, signal, sys
from pathlib import Path

def die(event, arguments):
    if event == "os.rename" and Path(os.fsdecode(arguments[1])).name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
from pipeline.base.config import Workspace
from pipeline.monitoring.watch import run_watch
run_watch(Workspace.of(Path(sys.argv[1]), {}), now=sys.argv[3])
"""


@pytest.fixture
def watched(tmp_path: Path) -> Workspace:
    """Return a workspace without releases, with a day of windows of which the last five raise alarms."""
    (tmp_path / "params.yaml").write_bytes((CHECKOUT / "params.yaml").read_bytes())
    workspace = Workspace.of(tmp_path, {})
    window_fixtures.write(workspace.windows, windows=24)
    return workspace


def killed(workspace: Workspace, before: str) -> None:
    command = [sys.executable, "-c", KILLED, str(workspace.root), before, NINE]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()


def raised(workspace: Workspace) -> list[tuple[str, str]]:
    return [(entry.alert.key, entry.alert.time) for entry in alerts.list_outbox(workspace.alerts)]


@pytest.mark.chaos
@pytest.mark.parametrize("before", ["events.json", "000001.json", "000002.json", "alerted.json"])
def test_an_alarm_whose_pass_died_is_raised_once_by_the_next(watched: Workspace, before: str) -> None:
    names = [path.stem for path in window_paths(watched)]
    write_alerted(watched, Alerted(names[-2]))  # the last window was written by a pass that died

    killed(watched, before)
    missing = run_watch(watched, now=NINE)["alerts"]
    again = run_watch(watched, now="2026-11-29T09:00:00Z")["alerts"]  # after every quiet period

    keys = Counter(raised(watched))
    assert ("drift/phones/topic", "2026-11-25T08:00:00Z") in keys
    assert set(keys.values()) == {1}
    assert again == []
    assert bool(missing) == (before != "alerted.json")
    assert read_alerted(watched).window == names[-1]


def test_windows_without_alerts_get_them_from_the_next_pass(watched: Workspace) -> None:
    write_alerted(watched, Alerted([path.stem for path in window_paths(watched)][-2]))

    assert any("Drift in topic phones" in title for title in run_watch(watched, now=NINE)["alerts"])
    assert run_watch(watched, now="2026-11-29T09:00:00Z")["alerts"] == []


def test_windows_of_an_earlier_version_count_as_alerted(watched: Workspace) -> None:
    assert run_watch(watched, now=NINE)["alerts"] == []
    assert read_alerted(watched).window == "2026-11-25T07-00-00Z"


@pytest.mark.parametrize(
    "content", ["", "[]", '{"window": 1}', '{"window": "2026", "rollback": 7, "after": 0}']
)
def test_a_damaged_record_raises_no_old_alarm_again(watched: Workspace, content: str) -> None:
    (watched.windows / alerted.FILE).write_text(content)

    assert run_watch(watched, now=NINE)["alerts"] == []


def test_after_windows_were_set_aside_later_ones_are_alerted(watched: Workspace) -> None:
    write_alerted(watched, Alerted("2027-01-04T08-00-00Z"))

    assert read_alerted(watched).window == "2026-11-25T07-00-00Z"


def test_a_rollback_whose_pass_died_is_reported_by_the_next(watched: Workspace) -> None:
    ledger = Ledger(watched.ledger)
    for name, champion in (("R1", None), ("R2", "R1")):
        ledger.add({"identity": name})
        ledger.move(expected=champion, target=name, actor="ada", reason="better")
    verdict = RegressionVerdict(degraded=True, reason="R2 is less accurate", figures=None)
    decision = RollbackDecision(NINE, "R2", ledger.last_move(), verdict=verdict)

    alerted.record_rollback(watched, read_alerted(watched), decision)
    before = alerted.unraised_rollback(watched, read_alerted(watched))
    ledger.move(expected="R2", target="R1", actor="watch", reason="R2 is less accurate")
    (alert,) = alerted.unraised_rollback(watched, read_alerted(watched))

    assert before == []
    assert (alert.title, alert.message) == ("R2 was rolled back to R1", "R2 is less accurate")
