"""The page of a release: it shows its record, fetches nothing, runs nothing and escapes everything."""

import base64
import copy
import hashlib
import re
from itertools import pairwise
from typing import Any

import pytest
from reader import Reader

from pipeline.report.release.page import history_page, release_page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


def test_the_page_shows_the_lineage(release: dict[str, Any]) -> None:
    words = Reader(release_page(release)).words

    lineage = [
        release[key]
        for key in (
            "release",
            "actor",
            "reason",
            "data_version",
            "model_version",
            "code_commit",
            "params_digest",
            "identity",
        )
    ]
    for part in (*lineage, *release["files"], *release["files"].values(), release["params"], release["lock"]):
        assert part in words


def test_the_page_shows_metrics_with_intervals_and_baselines(release: dict[str, Any]) -> None:
    words = Reader(release_page(release)).words

    assert "0.728 [0.713, 0.742]" in words
    assert "0.631 [0.615, 0.648]" in words
    assert "0.568 [0.552, 0.585]" in words
    assert "95% interval" in words
    assert "0.096 above" in " ".join(words.split())


def test_every_check_of_the_gate_is_on_the_page(refused: dict[str, Any]) -> None:
    text = release_page(refused)
    words = Reader(text).words

    assert "Refused by the gate" in words
    assert re.findall(r'<li class="\w+"><span class="mark">(\w+)<', text)[:5] == [
        "failed",
        "passed",
        "passed",
        "failed",
        "failed",
    ]
    for part in refused["decision"]["checks"]:
        assert part["sentence"] in words


def test_a_refused_release_shows_the_smallest_change_that_would_pass(
    refused: dict[str, Any], release: dict[str, Any]
) -> None:
    words = " ".join(Reader(release_page(refused)).words.split())

    assert "slices: better by 0.0441 macro F1 of source=tweet" in words
    assert "All 3 failed checks would have had to pass." in words
    assert "smallest change" not in Reader(release_page(release)).words


def test_a_release_waiting_for_approval_shows_the_command(release: dict[str, Any]) -> None:
    release |= {"approval": "human", "moves": [], "in_service": False}

    words = Reader(release_page(release)).words

    assert "waiting for approval" in words
    assert "tonewatch release approve R3" in words


def test_the_comparison_shows_the_minimum_detectable_gain(release: dict[str, Any]) -> None:
    words = " ".join(Reader(release_page(release)).words.split())

    assert "Against the champion R2 on the same texts: +0.016, between +0.005 and +0.027." in words
    assert "Minimum detectable gain, power 80%+0.016" in words.replace("80% +", "80%+")
    assert "403 of 3,538 predictions changed: 214 fixed, 158 broken." in words


def test_a_significant_drop_is_marked_in_plot_and_table(refused: dict[str, Any]) -> None:
    text = release_page(refused)
    words = " ".join(Reader(text).words.split())

    drops = "source=tweet, negated=yes, class=negative"
    assert f"Significant drops beyond the margin of 0.030: {drops}." in words
    assert text.count('<span class="mark no">significant</span>') == 3
    assert text.count('<g class="worse">') == 3


def test_texts_are_shown_only_if_they_are_passed_in(release: dict[str, Any]) -> None:
    texts = {"tweet_0117": "so <b>great</b> a day", "unchanged": "never shown"}

    without, words = Reader(release_page(release)).words, Reader(release_page(release, texts)).words

    assert "tweet_0117" in without
    assert "The texts stay with the data" in without
    assert "so <b>great</b> a day" in words
    assert "never shown" not in words


def test_nothing_on_the_page_is_fetched_or_run(release: dict[str, Any]) -> None:
    text = release_page(release)
    read = Reader(text)

    assert {"script", "link", "iframe", "img", "object", "embed", "form", "base"} & set(read.names) == set()
    assert [attributes for _, attributes in read.tags if {"src", "href", "style"} & set(attributes)] == []
    assert [name for _, attributes in read.tags for name in attributes if name.startswith("on")] == []
    assert "url(" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    "where",
    [
        *(
            "reason",
            "actor",
            "data_version",
            "params",
            "lock",
            "label",
            "source",
            "part",
            "file",
            "baseline",
            "champion",
            "text",
            "changed",
        ),
        *("ability", "example", "variant", "menu", "unit", "check", "slice", "move", "approval", "threshold"),
    ],
)
def test_a_hostile_string_is_escaped(refused: dict[str, Any], where: str) -> None:
    refused["moves"] = [
        {
            "sequence": 1,
            "from": None,
            "to": "R4",
            "actor": "ada",
            "reason": "first",
            "time": "2026-11-22T07:15:04Z",
        }
    ]
    refused |= {
        "approval": "human",
        "approvals": [{"actor": "ada", "reason": "read", "time": "2026-11-22T07:15:03Z"}],
    }
    clean = Reader(release_page(refused, {"tweet_0117": "plain"}))

    read = Reader(
        release_page(_with_hostile(refused, where), {"tweet_0117": HOSTILE if where == "text" else "plain"})
    )

    assert HOSTILE in read.words
    assert set(read.names) == set(clean.names)


def test_equal_records_render_equal_pages(release: dict[str, Any]) -> None:
    assert release_page(release) == release_page(copy.deepcopy(release))


def test_the_first_release_has_no_champion(release: dict[str, Any]) -> None:
    release["comparison"] = None

    assert "There was no champion" in Reader(release_page(release)).words


def test_a_release_without_baselines_has_a_page(release: dict[str, Any]) -> None:
    release["evaluation"]["baselines"] = {}

    assert "the best baseline" not in Reader(release_page(release)).words


def test_the_style_is_allowed_by_its_digest(release: dict[str, Any]) -> None:
    for text in (release_page(release), history_page([], [], now="2026-11-22T09:00:00Z")):
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        (allowed,) = re.findall(r"style-src 'sha256-([^']+)'", text)

        assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() == allowed


def test_headings_go_down_one_step_at_a_time(refused: dict[str, Any]) -> None:
    levels = [int(name[1]) for name in Reader(release_page(refused)).names if re.fullmatch("h[1-6]", name)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(after - before for before, after in pairwise(levels)) == 1


def test_every_table_has_a_caption_and_scoped_heads(refused: dict[str, Any]) -> None:
    read = Reader(release_page(refused))

    assert {attributes.get("scope") for name, attributes in read.tags if name == "th"} == {
        "col",
        "row",
        "colgroup",
    }
    assert read.names.count("table") == read.names.count("caption") > 8


def test_every_plot_has_a_title_and_a_description(refused: dict[str, Any]) -> None:
    read = Reader(release_page(refused))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    plots = [
        attributes for name, attributes in read.tags if name == "svg" and attributes.get("role") == "img"
    ]

    assert len(ids) == len(set(ids))
    assert len(plots) == 6
    assert [
        named for plot in plots for named in str(plot["aria-labelledby"]).split() if named not in ids
    ] == []


def _with_hostile(release: dict[str, Any], where: str) -> dict[str, Any]:
    evaluation, comparison = release["evaluation"], release["comparison"]
    checks = release["decision"]["checks"]
    places: dict[str, tuple[Any, Any]] = {
        "part": (checks[0], "sentence"),
        "unit": (checks[0], "unit"),
        "champion": (comparison, "champion"),
        "slice": (comparison["slices"][0], "name"),
        "changed": (comparison["changed"]["texts"][0], "candidate"),
        "example": (evaluation["behaviour"]["names"]["examples"][0]["texts"], 0),
        "variant": (release["menu"]["variants"][0], "name"),
        "menu": (release["menu"]["reasons"], 0),
        "check": (release["checks"][0], "sentence"),
        "move": (release["moves"][0], "reason"),
        "approval": (release["approvals"][0], "reason"),
        "label": (evaluation["labels"], 0),
    }
    keyed = {
        "label": (evaluation["per_class"], "negative"),
        "source": (evaluation["slices"], "source=movie"),
        "file": (release["files"], "model.onnx"),
        "baseline": (evaluation["baselines"], "vader"),
        "ability": (evaluation["behaviour"], "names"),
        "threshold": (release["thresholds"], "uncertain"),
    }
    if where in keyed:
        record, key = keyed[where]
        record[HOSTILE] = record[key]
    if where in places:
        record, key = places[where]
        record[key] = HOSTILE
    elif where not in keyed and where != "text":
        release[where] = HOSTILE
    return release
