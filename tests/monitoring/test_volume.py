"""Millions of predictions in an hour: the watch and the service hold none of them in memory."""

import dataclasses
import random
import resource
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from journal_fixtures import EIGHT, ENTRY, make_feedback, stamp
from world import LABELS, TEXTS, serve

from pipeline.base.config import Workspace
from pipeline.base.records import JournalEntry
from pipeline.io.journal.journal import Journal, request_id

PREDICTIONS, BATCH = 200_000, 64
WATCH = """
import sys, time
from pathlib import Path
from pipeline.base.config import Workspace
from pipeline.monitoring.watch import run_watch
workspace = Workspace.of(Path(sys.argv[1]), {"MLFLOW_TRACKING_URI": sys.argv[2]})
begin = time.monotonic()
summary = run_watch(workspace, now="2026-11-25T09:00:00Z")
seconds = time.monotonic() - begin
# `ru_maxrss` begins with what the parent held.
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(len(summary["windows"]), int(peak) // 1024, round(seconds, 1))
"""


def fill(journal: Journal, predictions: int) -> JournalEntry:
    """Write an hour of predictions with feedback on every hundredth; return the last one."""
    chance = random.Random(20)
    texts = [text.text for text in TEXTS]
    for first in range(0, predictions, BATCH):
        when = EIGHT + timedelta(hours=1) * (first / predictions)
        request, written = request_id(when), stamp(when)
        batch = []
        for position in range(min(BATCH, predictions - first)):
            share = round(chance.random(), 6)
            batch.append(
                dataclasses.replace(
                    ENTRY,
                    request=request,
                    position=position,
                    time=written,
                    text=chance.choice(texts),
                    label=chance.choice(LABELS),
                    probabilities=(share, 1 - share, 0.0),
                    topic=chance.choice(("phones", "trains", "food")),
                    lang="",
                )
            )
        journal.append(batch)
        journal.append_feedback([make_feedback(batch[0], chance.choice(LABELS), when)])
    return batch[-1]


@pytest.mark.chaos
def test_the_memory_of_watch_and_service_does_not_grow_with_the_hour(
    places: Workspace, mlflow_uri: str
) -> None:
    serve(places, wrong=10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    journal = Journal(places.journal, retention_days=90)
    last = fill(journal, PREDICTIONS)
    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        assert journal.find(last.request, last.position) == last
        journal.append_feedback([make_feedback(last, "neutral")])
        seconds.append(time.perf_counter() - begin)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024

    command = [sys.executable, "-c", WATCH, str(places.root), mlflow_uri]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    windows, megabytes, took = done.stdout.splitlines()[-1].split()
    print(
        f"{PREDICTIONS} predictions: watch {megabytes} MB in {took} s, service {grown} MB more, "
        f"feedback {1000 * sorted(seconds)[10]:.1f} ms"
    )

    assert windows == "1"
    assert int(megabytes) <= 500
    assert grown <= 300
    assert sorted(seconds)[10] <= 0.02
