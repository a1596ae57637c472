"""The report of a data version says what the version holds, shows no personal data, and is forgotten too."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from secrets_kept import SECRET, built

from pipeline.base.config import Workspace
from pipeline.base.errors import NothingToRollBack, UsageError
from pipeline.io.params_file import set_params
from pipeline.operations.data.periods import periods_of
from pipeline.operations.data.report import build_report, page_path, write_report
from pipeline.operations.data_versions import show_version
from pipeline.operations.forgetting import Selection, forget_records


@pytest.fixture(scope="module")
def places(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("reported") / "workspace"
    places = built(Path(shutil.copytree(_filled, root, symlinks=True)))
    set_params(places.params, ["encoder.max_tokens=8"])
    return places


def test_the_figures_are_those_of_the_version(places: Workspace) -> None:
    report = build_report(places, show_version(places.root, None))

    assert (report.name, report.parent, report.change) == ("v1", None, None)
    assert report.splits == {"train": 13, "valid": 0, "test": 0}
    assert report.sources == {"mine": {"train": 13}}
    assert report.duplicates == {"mine": 1}
    assert sum(report.words.values()) == 13
    assert report.longer == 1
    assert report.untimed == 13


def test_the_page_is_written_by_default_beside_those_of_releases(places: Workspace, tmp_path: Path) -> None:
    assert write_report(places, None) == page_path(places, "v1")
    assert write_report(places, "v1", tmp_path / "own.html").read_text("utf-8").startswith("<!doctype html>")
    with pytest.raises(UsageError, match="no data version 'v7'"):
        write_report(places, "v7")


def test_without_a_version_there_is_no_report(workspace: Path) -> None:
    with pytest.raises(NothingToRollBack):
        write_report(Workspace.of(workspace, {}), None)


def test_forgetting_removes_pages_and_the_next_one_says_so(places: Workspace, tmp_path: Path) -> None:
    # The other tests read a version of which nothing is forgotten.
    places = Workspace.of(Path(shutil.copytree(places.root, tmp_path / "workspace", symlinks=True)), {})
    page = write_report(places, None)

    forget_records(places, Selection.of(("mine:r90",), (), ()), dry_run=False)

    assert not page.exists()
    report = build_report(places, show_version(places.root, None))
    assert report.forgotten
    assert sum(report.words.values()) == 12
    assert SECRET not in write_report(places, None).read_text("utf-8")


@pytest.mark.parametrize(("days", "periods"), [(1, 1), (30, 30), (200, 30), (1000, 34), (9000, 26)])
def test_days_are_gathered_so_that_a_chart_can_show_them(days: int, periods: int) -> None:
    start = date(2001, 1, 1)
    counts = {(start + timedelta(days=n)).isoformat(): {"good": 2, "bad": 1} for n in range(days)}

    found = periods_of({**counts, "soon": {"good": 9}, "": {"good": 1}})

    assert abs(len(found) - periods) <= 1
    assert sum(sum(one.counts.values()) for one in found) == 3 * days
    assert all(one.start < one.end for one in found)


def test_the_ends_of_the_calendar_are_periods_too() -> None:
    assert len(periods_of({"0001-01-01": {"a": 1}, "9999-12-31": {"a": 1}})) == 2
