"""The page of a release: it says what the record says, fetches nothing, runs nothing, and lets nothing in."""

import copy
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline.report import page, plots

RECORD = Path(__file__).parents[1] / "fixtures" / "release.json"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


@pytest.fixture
def release() -> dict[str, Any]:
    return json.loads(RECORD.read_text("utf-8"))


class Reader(HTMLParser):
    """Collect the tags, the attributes and the words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    @property
    def names(self) -> list[str]:
        return [tag for tag, _ in self.tags]


def test_the_page_says_what_the_release_is_made_of(release: dict[str, Any]) -> None:
    words = Reader(page(release)).words

    made_of = [
        release[key] for key in ("release", "actor", "reason", "data_version", "model_version", "code_commit", "params_digest", "identity")
    ]
    for part in (*made_of, *release["files"], *release["files"].values(), release["params"], release["lock"]):
        assert part in words


def test_the_page_shows_figures_with_intervals_beside_the_baselines(release: dict[str, Any]) -> None:
    words = Reader(page(release)).words

    assert "0.728 [0.713, 0.742]" in words
    assert "0.631 [0.615, 0.648]" in words
    assert "0.568 [0.552, 0.585]" in words
    assert "95% interval" in words
    assert "0.096 above" in " ".join(words.split())


def test_every_part_of_the_decision_stands_there_with_its_answer(release: dict[str, Any]) -> None:
    release["decision"]["accepted"] = False
    release["decision"]["parts"][0]["passed"] = False

    text = page(release)
    words = Reader(text).words

    assert "Refused by the gate" in words
    assert re.findall(r'class="mark">(\w+)<', text) == ["failed", "passed", "passed", "passed", "passed"]
    for part in release["decision"]["parts"]:
        assert part["sentence"] in words


def test_nothing_on_the_page_is_fetched_or_run(release: dict[str, Any]) -> None:
    text = page(release)
    read = Reader(text)

    assert {"script", "link", "iframe", "img", "object", "embed", "form", "base"} & set(read.names) == set()
    assert [attributes for _, attributes in read.tags if {"src", "href", "style"} & set(attributes)] == []
    assert [name for _, attributes in read.tags for name in attributes if name.startswith("on")] == []
    assert "url(" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    "where", ["reason", "actor", "data_version", "params", "lock", "label", "source", "part", "file", "baseline", "champion"]
)
def test_a_hostile_string_comes_out_as_words(release: dict[str, Any], where: str) -> None:
    clean = Reader(page(release))

    read = Reader(page(_with_hostile(release, where)))

    assert HOSTILE in read.words
    assert set(read.names) == set(clean.names)


def test_equal_records_give_equal_pages(release: dict[str, Any]) -> None:
    assert page(release) == page(copy.deepcopy(release))


def test_the_first_release_has_no_champion_to_be_compared_with(release: dict[str, Any]) -> None:
    release["comparison"] = None

    assert "There was no champion" in Reader(page(release)).words


def test_a_workspace_without_baselines_still_gets_its_page(release: dict[str, Any]) -> None:
    release["evaluation"]["baselines"] = {}

    assert "the best baseline" not in Reader(page(release)).words


def test_the_style_is_allowed_by_the_digest_that_the_page_states(release: dict[str, Any]) -> None:
    import base64
    import hashlib

    text = page(release)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (allowed,) = re.findall(r"style-src 'sha256-([^']+)'", text)

    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == allowed


def test_an_interval_lies_around_its_value_on_the_axis() -> None:
    plot = plots.interval_plot([plots.Row("R1", 0.75, (0.70, 0.80)), plots.Row("other", 0.60, None)], line=(0.65, "floor"))

    first, second = plot.rows
    assert second.value < plot.line.at < first.low < first.value < first.high
    assert (second.low, second.high) == (None, None)
    assert [tick.label for tick in plot.ticks] == ["0.60", "0.65", "0.70", "0.75", "0.80"]


def test_equal_values_still_get_an_axis() -> None:
    plot = plots.interval_plot([plots.Row("R1", 0.0, (0.0, 0.0))], line=None, signed=True)

    assert plot.rows[0].value == plot.zero
    assert plot.ticks[0].at < plot.ticks[-1].at


def test_a_square_is_as_dark_as_its_share_of_the_truths_row() -> None:
    plot = plots.confusion_plot(["bad", "good"], [[3, 1], [0, 0]])

    assert [(cell.count, cell.share) for cell in plot.cells] == [(3, 0.75), (1, 0.25), (0, 0.0), (0, 0.0)]


@pytest.mark.parametrize("labels", [2, 5, 12, 40])
def test_the_confusion_matrix_fits_any_number_of_labels(labels: int) -> None:
    names = [f"a rather long label {index}" for index in range(labels)]

    plot = plots.confusion_plot(names, [[1] * labels for _ in names])

    assert max(cell.x + plot.side for cell in plot.cells) <= plots.WIDTH
    assert all(len(name.short) < len(name.full) for name in plot.columns)


def test_a_bin_that_is_surer_than_right_lies_below_the_diagonal() -> None:
    (dot,) = plots.reliability_plot([{"low": 0.8, "high": 0.9, "confidence": 0.85, "accuracy": 0.60, "texts": 10}]).bins

    assert dot.y > dot.expected  # y grows downward


def _with_hostile(release: dict[str, Any], where: str) -> dict[str, Any]:
    evaluation = release["evaluation"]
    if where == "label":
        evaluation["per_class"][HOSTILE] = evaluation["per_class"][evaluation["labels"][0]]
        evaluation["labels"][0] = HOSTILE
    elif where == "source":
        evaluation["per_source"][HOSTILE] = evaluation["per_source"]["movie"]
    elif where == "part":
        release["decision"]["parts"][0]["sentence"] = HOSTILE
    elif where == "file":
        release["files"][HOSTILE] = "0" * 64
    elif where == "baseline":
        evaluation["baselines"][HOSTILE] = evaluation["baselines"]["vader"]
    elif where == "champion":
        release["comparison"]["champion"] = HOSTILE
    else:
        release[where] = HOSTILE
    return release
