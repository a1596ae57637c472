"""Window reports on disk: those of earlier versions are read in today's shape."""

import json
import os
from pathlib import Path
from typing import Any

import window_fixtures

from pipeline.base.config import Workspace
from pipeline.base.documents import upgrade_window
from pipeline.monitoring.model_change import bridge_topic
from pipeline.monitoring.windows.files import read_window, read_windows, window_paths


def make_workspace(root: Path) -> Workspace:
    workspace = Workspace.of(root, {})
    window_fixtures.write(workspace.windows, windows=24)
    return workspace


def by_confusion(window: dict[str, Any]) -> dict[str, Any]:
    """Return a window whose shares were corrected without audit labels, as earlier versions did."""
    earlier = {"mean_probability": None, "method": "confusion", "labels": 0}
    topics = {
        name: topic
        | {"prevalence": {label: entry | earlier for label, entry in (topic["prevalence"] or {}).items()}}
        for name, topic in window["topics"].items()
    }
    return {**window, "topics": topics}


def test_windows_of_an_earlier_version_are_read_in_todays_shape(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    today = [json.loads(path.read_text("utf-8")) for path in window_paths(workspace)]
    for path in window_paths(workspace):
        window_fixtures.downgrade(path)

    windows = list(read_windows(workspace))

    assert windows == [by_confusion(window) for window in today]
    assert any(window["model_change"] for window in windows)
    as_stored = [by_confusion(window) for window in today]
    assert bridge_topic(windows, "phones") == bridge_topic(as_stored, "phones")


def test_a_window_in_todays_shape_is_returned_as_it_is(tmp_path: Path) -> None:
    window = next(read_windows(make_workspace(tmp_path)))

    assert upgrade_window(window) == window


def test_an_unchanged_file_is_parsed_once_and_a_changed_one_again(tmp_path: Path) -> None:
    path = window_paths(make_workspace(tmp_path))[0]
    first = read_window(path)

    assert read_window(path) is first
    path.write_text(json.dumps({**first, "predictions": 7}), "utf-8")
    os.utime(path, ns=(1, 1))
    assert read_window(path)["predictions"] == 7
