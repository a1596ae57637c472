"""The series of windows: the same change points as from all windows at once, with little in memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import window_fixtures
from world import CHECKOUT

from pipeline.base.config import Workspace
from pipeline.core.monitor.change_points import find_change_points
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.io.params_file import load_params
from pipeline.monitoring.model_change import bridge_topic, find_topic_changes
from pipeline.monitoring.watch import run_watch
from pipeline.monitoring.window_files import read_newest_windows, read_windows
from pipeline.monitoring.window_series import spooled

TOPICS = ("phones", *(f"topic {number:02d}" for number in range(11)))
NINE = "2026-11-25T09:00:00Z"


def watched(root: Path, windows: int) -> Workspace:
    root.mkdir(exist_ok=True)
    (root / "params.yaml").write_bytes((CHECKOUT / "params.yaml").read_bytes())
    workspace = Workspace.of(root, {})
    window_fixtures.write(workspace.windows, windows=windows, topics=TOPICS)
    return workspace


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_topic_has_the_series_that_all_windows_give_it(tmp_path: Path) -> None:
    workspace = watched(tmp_path, 72)
    windows = list(read_windows(workspace))

    with spooled(iter(windows)) as series:
        assert series.topics() == sorted({"all", *TOPICS})
        for topic in series.topics():
            assert bridge_topic(series.of_topic(topic), topic) == bridge_topic(windows, topic)


def test_the_change_points_are_those_of_all_windows_at_once(tmp_path: Path) -> None:
    workspace = watched(tmp_path, 72)
    params, windows = load_params(workspace.params), list(read_windows(workspace))

    found = find_topic_changes(read_windows(workspace), params)

    assert found["phones"]
    for topic, points in found.items():
        assert points == find_change_points(
            bridge_topic(windows, topic),
            params.watch.change_points,
            windows_per_quarter=windows_per_quarter(params.watch.window_minutes),
            confidence=params.watch.confidence,
            seed=params.seed,
            topics=len(found),
        )


def test_the_newest_windows_are_the_last_ones(tmp_path: Path) -> None:
    workspace = watched(tmp_path, 24)

    assert read_newest_windows(workspace, 3) == list(read_windows(workspace))[-3:]
    assert len(read_newest_windows(workspace, 99)) == 23


def test_a_pass_holds_a_small_part_of_all_windows(tmp_path: Path) -> None:
    short, long = watched(tmp_path / "short", 60), watched(tmp_path / "long", 360)
    for workspace in (short, long):
        run_watch(workspace, now=NINE)  # what is imported and learnt once

    growth = peak_bytes(lambda: run_watch(long, now=NINE)) - peak_bytes(lambda: run_watch(short, now=NINE))
    all_windows = peak_bytes(lambda: list(read_windows(long))) - peak_bytes(lambda: list(read_windows(short)))

    assert growth < all_windows / 5
