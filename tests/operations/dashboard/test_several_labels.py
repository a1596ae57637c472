"""The charts of windows where a text may have several labels."""

from pathlib import Path

import item_worlds
import pytest

from pipeline.base.tasks import MULTI_LABEL, TOKEN_LABELS, TaskName
from pipeline.monitoring.watch import run_watch
from pipeline.monitoring.windows.files import read_windows
from pipeline.operations.dashboard.charts import prevalence_chart
from pipeline.operations.dashboard.quality import drift_chart, quality_chart


@pytest.mark.parametrize("task", [MULTI_LABEL, TOKEN_LABELS])
def test_charts_show_each_label_and_say_what_is_not_known(tmp_path: Path, task: TaskName) -> None:
    places = item_worlds.make(tmp_path / "w", task)
    item_worlds.add_release(places, task)
    item_worlds.write_reference(places, "R1", item_worlds.mixed(task, 300, seed=1))
    texts = item_worlds.mixed(task, 80)
    entries = item_worlds.journal(places, "R1", texts)
    item_worlds.journal(places, "R1", texts, hour=1.5)
    run_watch(places, now=item_worlds.at(2), audited=item_worlds.audited(task, entries, hour=0.9))
    windows = list(read_windows(places))

    shares = prevalence_chart(windows, {}, "cafe")
    quality = quality_chart(windows, "cafe")
    drift = drift_chart(windows, "cafe")

    assert (shares["one_label"], sorted(shares["labels"])) == (False, sorted(item_worlds.LABELS[task]))
    assert sum(point.value for point in shares["latest"].values()) > 1.05
    assert [row["estimated"] for row in quality["rows"]] == ["–"]
    assert quality["rows"][0]["observed"].startswith("100.0% (95.")
    assert "a probability of its own" in str(quality["not_estimated"])
    lanes = [lane.name for lane in drift["plot"].lanes]
    assert {f"Share of {label}" for label in item_worlds.LABELS[task]} <= set(lanes)
