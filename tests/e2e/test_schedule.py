"""The schedule with a real Prefect server, runner and processes: overlaps, killed server, killed schedule."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule

from pipeline.base.config.environment import TELEMETRY_OFF
from pipeline.base.errors import ConfigError
from pipeline.io import alerts

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parents[1] / "support"
OPEN = {"PENDING", "RUNNING", "CANCELLING"}


class Ticking:
    """Serve the tiny flow in a process of its own, and read its log and its runs."""

    def __init__(self, root, server, *, every, work):
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "TONEWATCH"))
        }
        path = os.pathsep.join([str(ROOT), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
        named = {"PREFECT_API_URL": server} if server else {}
        self.root, self.environment = root, {**kept, **TELEMETRY_OFF, **named, "PYTHONPATH": path}
        self.command = [sys.executable, "-m", "ticking", str(root), str(every), str(work)]
        self.server = server
        self.start()

    def start(self):
        log = (self.root / "schedule.log").open("a")
        self.process = subprocess.Popen(
            self.command, env=self.environment, cwd=self.root, stderr=log, stdout=log, start_new_session=True
        )
        log.close()

    @property
    def url(self):
        return self.server or json.loads((self.root / ".tonewatch/schedule/server.json").read_text())["url"]

    def ticks(self, word):
        path = self.root / "ticks.log"
        found = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(float(at), int(process), run) for at, said, process, run in found if said == word]

    def runs(self):
        chosen = {"sort": "EXPECTED_START_TIME_ASC", "limit": 200, "flows": {"name": {"any_": ["tick"]}}}
        headers = {"Content-Type": "application/json"}
        if not self.server:  # the schedule's own, which asks for a secret
            password = (self.root / ".tonewatch/prefect/password").read_text().strip()
            headers["Authorization"] = "Basic " + base64.b64encode(f"tonewatch:{password}".encode()).decode()
        body = urllib.request.Request(f"{self.url}/flow_runs/filter", json.dumps(chosen).encode(), headers)
        with urllib.request.urlopen(body, timeout=10) as answer:
            return [run for run in json.load(answer) if run["parameters"]["root"] == str(self.root)]

    def wait(self, condition, seconds=90):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.log
            time.sleep(0.2)
        raise AssertionError(f"waited {seconds} s\n{self.log}")

    @property
    def log(self):
        return (self.root / "schedule.log").read_text()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory):
    """Run for 12 s every 8 s, kill the schedule's own server in between, then stop the schedule.

    A run that is skipped takes a process too, which starts in 5 s on a slow machine.
    """
    root = workspace(tmp_path_factory)
    ticking = Ticking(root, None, every=8, work=12)
    story = {"ticking": ticking}
    try:
        ticking.wait(lambda: ticking.ticks("ends"))
        ticking.wait(lambda: len(ticking.ticks("begins")) >= 2)
        url, note = ticking.url, json.loads((root / ".tonewatch/schedule/server.json").read_text())
        os.killpg(note["pid"], signal.SIGKILL)
        story["killed"], begun = time.monotonic(), len(ticking.ticks("begins"))
        ticking.wait(lambda: answers(url))
        story["back"] = time.monotonic()
        ticking.wait(lambda: len(ticking.ticks("begins")) >= begun + 2)
        ticking.wait(lambda: not any(run["state_name"] == "Late" for run in ticking.runs()))
        story["runs"] = ticking.runs()
        story["code"] = ticking.end()
        story["answers"] = answers(url)
    finally:
        stop(ticking)
    return story


@pytest.fixture(scope="module")
def killed(tmp_path_factory, prefect_server):
    """On a configured server, kill the schedule with its run, miss three runs, and start it again."""
    root = workspace(tmp_path_factory)
    ticking = Ticking(root, prefect_server, every=3, work=1.5)
    story = {"ticking": ticking}
    try:
        ticking.wait(lambda: ticking.ticks("begins"))
        os.killpg(ticking.process.pid, signal.SIGKILL)
        ticking.process.wait(10)
        story["begun"] = ticking.ticks("begins")
        story["left"] = [run["id"] for run in ticking.runs() if run["state_type"] in OPEN]
        time.sleep(10)
        story["missed"] = [
            run["id"] for run in ticking.runs() if run["state_type"] == "SCHEDULED" and due(run) < time.time()
        ]
        ticking.start()
        ticking.wait(lambda: len(ticking.ticks("ends")) >= 2)
        ticking.wait(
            lambda: (
                not any(run["id"] in story["left"] and run["state_type"] in OPEN for run in ticking.runs())
            )
        )
        story["code"] = ticking.end()
        story["runs"] = {run["id"]: run for run in ticking.runs()}
    finally:
        stop(ticking)
    return story


@pytest.mark.chaos
def test_never_more_than_one_run_of_a_kind_executes(overlapping):
    ticking = overlapping["ticking"]
    ended = {run: at for at, _, run in ticking.ticks("ends")}
    begun = ticking.ticks("begins")

    assert len(begun) >= 3
    # One that has no end was cancelled when the schedule stopped.
    for (_, _, run), (at, _, _) in itertools.pairwise(begun):
        assert ended[run] <= at


@pytest.mark.chaos
def test_an_overlapping_run_is_skipped_or_cancelled_and_never_failed(overlapping):
    states = {(run["state_type"], run["state_name"]) for run in overlapping["runs"]}
    ended = {one for one in states if one[0] not in {"SCHEDULED", *OPEN}}

    assert ended & {("CANCELLED", "Cancelled"), ("CANCELLED", "Skipped"), ("COMPLETED", "Skipped")}
    assert ended <= {
        ("COMPLETED", "Completed"),
        ("COMPLETED", "Skipped"),
        ("CANCELLED", "Cancelled"),
        ("CANCELLED", "Skipped"),
    }


@pytest.mark.chaos
def test_a_killed_server_is_restarted_and_its_runs_continue(overlapping):
    assert overlapping["back"] - overlapping["killed"] < 60
    # Runs in progress while the server was down reported their end to the restarted one.
    assert [run for run in overlapping["runs"] if run["state_type"] in {"FAILED", "CRASHED"}] == []


@pytest.mark.chaos
def test_after_a_downtime_at_most_one_missed_run_starts(overlapping):
    ticking = overlapping["ticking"]
    dues = {run["id"]: due(run) for run in overlapping["runs"]}
    offset = time.time() - time.monotonic()
    gone, back = overlapping["killed"] + offset, overlapping["back"] + offset
    caught_up = [
        run
        for at, _, run in ticking.ticks("begins")
        if gone < dues.get(run, 0) < back and at > overlapping["back"]
    ]

    assert len(caught_up) <= 1
    assert [run for run in overlapping["runs"] if run["state_name"] == "Late"] == []


@pytest.mark.chaos
def test_sigterm_ends_the_schedule_and_its_server(overlapping):
    assert overlapping["code"] == 0
    assert not overlapping["answers"]
    assert processes_of(overlapping["ticking"].root) == []


@pytest.mark.chaos
def test_a_killed_run_is_crashed_and_its_lock_is_free(killed):
    begun = killed["begun"][0][2]

    assert begun in killed["left"]
    assert killed["runs"][begun]["state_type"] == "CRASHED"
    assert "worker process died" in killed["runs"][begun]["state"]["message"]
    assert len(killed["ticking"].ticks("ends")) >= 2


@pytest.mark.chaos
def test_a_killed_or_stopped_schedule_leaves_no_run_running(killed):
    assert [run for run in killed["runs"].values() if run["state_type"] == "RUNNING"] == []


@pytest.mark.chaos
def test_of_runs_missed_without_a_schedule_at_most_one_starts(killed):
    made = [run for _, _, run in killed["ticking"].ticks("begins") if run in killed["missed"]]
    rest = [killed["runs"][run] for run in killed["missed"] if run not in made]

    assert len(killed["missed"]) >= 3
    assert len(made) <= 1
    assert {run["state_name"] for run in rest} <= {"Skipped"}
    assert all("covers it" in run["state"]["message"] for run in rest)


@pytest.mark.slow
def test_the_final_state_says_how_a_run_ended_and_only_faults_alert(tmp_path_factory, prefect_server):
    root = workspace(tmp_path_factory)
    printed = final_states(root, prefect_server)

    assert printed["states"] == [
        ["COMPLETED", "Completed", "done"],
        ["COMPLETED", "Refused", "R2 was refused."],
        ["COMPLETED", "Skipped", "Process 7 is working here."],
        ["FAILED", "Failed", "No texts.csv."],
        ["FAILED", "Failed", printed["states"][4][2]],
    ]
    assert printed["states"][4][2].startswith("KeyError at ticking.py:")
    assert [entry.alert.key for entry in alerts.list_outbox(root / ".tonewatch/alerts")] == [
        "run/kind3",
        "run/kind4",
    ]
    # Without a schedule the sentence says what to type; equal requests of a day start one run.
    requested = printed["requested"]
    assert "tonewatch run --reason 'Drift in all'" in printed["manual"]
    assert requested[0] == requested[1] != requested[2]
    assert requested[2].rpartition(" ")[2] == requested[3].rpartition(" ")[2]
    # A run that failed is requested again, after a pause.
    at_once, after_the_pause = printed["retried"]
    assert "made no retrain; it is requested again after" in at_once
    assert after_the_pause.startswith("Retrain requested (Drift in all): run ")
    assert "same" not in after_the_pause


def final_states(root, server):
    environment = {
        **os.environ,
        **TELEMETRY_OFF,
        "PREFECT_API_URL": server,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "ticking", str(root), "states"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "canary" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("zone", "since"),
    [("Europe/Berlin", "2026-03-27"), ("Europe/Berlin", "2026-10-23"), ("UTC", "2026-03-27")],
)
def test_daylight_saving_keeps_one_run_a_day(zone, since):
    from flows.deploy import cron_schedule

    plan = cron_schedule("audit", "30 2 * * *", zone)
    schedule = CronSchedule(cron=plan.cron, timezone=plan.timezone)
    start = datetime.fromisoformat(since).replace(tzinfo=ZoneInfo(zone))

    found = asyncio.run(schedule.get_dates(5, start=start))

    assert [(date.astimezone(ZoneInfo(zone)).date() - start.date()).days for date in found] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("cron", "zone"), [("61 2 * * *", "UTC"), ("5 * * * *", "Mars/Olympus"), ("a b c d e", "UTC")]
)
def test_an_invalid_cron_or_time_zone_is_refused_before_anything_starts(cron, zone):
    from flows.deploy import cron_schedule

    with pytest.raises(ConfigError, match=r"schedule\.watch"):
        cron_schedule("watch", cron, zone)


def workspace(factory):
    root = factory.mktemp("ticking")
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    return root


def due(run):
    return datetime.fromisoformat(run["expected_start_time"]).timestamp()


def answers(url):
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
    except OSError:
        return False


def processes_of(root):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"PREFECT_HOME={root}/".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def stop(ticking):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(ticking.process.pid, signal.SIGKILL)
