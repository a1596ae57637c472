"""The card of a release: what it contains, what it never contains, and what an older release lacks."""

import copy
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline.base.documents import upgrade_release
from pipeline.report.formatting import shortfall
from pipeline.report.release.card import build_card
from pipeline.report.release.markdown import LENGTH, brief, markdown
from pipeline.report.release.page import release_page

HOSTILE = "[a](http://x.example) ![b](http://x.example/b.png) <img src=http://x.example/c.png> | `d` **e** \\"
OPTIONAL = (
    "menu",
    "variant",
    "checks",
    "thresholds",
    "data",
    "approval",
    "signature",
    "teacher",
    "previously_rolled_back",
    "comparison",
    "champion",
)
MEASURED = ("behaviour", "attack", "human", "slices")
STORED = json.loads((Path(__file__).parents[2] / "fixtures" / "release.json").read_text("utf-8"))


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def test_the_card_names_what_was_compared_and_which_checks_failed(refused: dict[str, Any]) -> None:
    card = build_card(refused)

    assert card["verdict"] == "refused"
    assert card["decision"]["failed"] == ["floor", "champion", "slices"]
    assert card["compared"] == {
        "candidate": "R4",
        "model_version": "4",
        "data_version": "v2",
        "variant": "trimmed-int8",
        "champion": "R3",
        "texts": 3538,
    }
    assert [row["name"] for row in card["comparison"]["slices"] if row["significant"]] == [
        "source=tweet",
        "negated=yes",
        "class=negative",
    ]


def test_the_card_holds_data_licences_and_lineage(release: dict[str, Any]) -> None:
    card = build_card(release)

    assert [(source["name"], source["licence"], source["texts"]) for source in card["data"]["sources"]] == [
        ("movie", "MIT", 10603),
        ("nyt", "MIT", 5108),
        ("tweet", "MIT", 4140),
        ("amazon", "MIT", 3692),
    ]
    assert card["data"]["fingerprint"] == release["data"]["fingerprint"]
    assert card["lineage"]["teacher"] == release["teacher"]
    assert card["lineage"]["moves"][0]["reason"] == "tonewatch run"
    assert card["thresholds"] == {"temperature": 1.318, "uncertain": 0.4712}


def test_intended_use_and_limits_follow_params_and_metrics(release: dict[str, Any]) -> None:
    limits = " ".join(build_card(release)["limits"])

    assert "must not be used for decisions about individuals" in limits
    assert "only on texts in English" in limits
    assert "the first 64 tokens" in limits
    assert "Its weakest slice is source=movie, with a macro F1 of 0.589 on 1,587 texts." in limits
    assert "agree on 90.7% of the texts" in limits


def test_a_signature_is_named_by_its_digest(refused: dict[str, Any]) -> None:
    # printf '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}' | sha256sum
    assert (
        build_card(refused)["lineage"]["signature"]
        == "f2168ec310ea3d35dc929b480c85a91c21775cbbf36db3a37e041e5fe815f586"
    )


def test_the_card_is_plain_json(release: dict[str, Any]) -> None:
    card = build_card(release)

    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_no_text_gets_into_a_card(release: dict[str, Any]) -> None:
    secret = "meet me at the harbour"
    release["comparison"]["changed"]["texts"][0]["text"] = secret
    for ability in release["evaluation"]["behaviour"].values():
        ability["examples"] = [{"texts": [secret], "labels": ["positive"]}]
    release["evaluation"]["worst"] = [secret]
    release["texts"] = {"tweet_0117": secret}

    card = build_card(release)

    assert secret not in json.dumps(card)
    assert secret not in markdown(card)
    assert secret not in brief(card)
    assert secret in release_page(release)  # the page stays on this machine and shows failures


def test_the_path_of_a_local_file_is_not_in_the_card(release: dict[str, Any]) -> None:
    release["params"] = (
        "collect: {sources: [{kind: csv, name: inbox, path: /srv/ada/smith.csv, licence: internal}]}"
    )

    card = build_card(release)

    assert card["data"]["sources"][0]["licence"] == "internal"
    assert "smith" not in json.dumps(card)


@pytest.mark.parametrize(
    ("accepted", "approval", "approvals", "moves", "verdict"),
    [
        (True, "none", [], [], "accepted"),
        (True, None, [], [], "accepted"),
        (True, "human", [], [], "waiting"),
        (True, "human", [{"actor": "ada"}], [], "accepted"),
        (True, "human", [], [{"from": None, "to": "R3"}], "accepted"),
        (True, "human", [], [{"from": "R3", "to": "R4"}], "accepted"),
        (False, "human", [], [], "refused"),
    ],
)
def test_the_verdict_is_one_word(accepted, approval, approvals, moves, verdict, release) -> None:
    release |= {"approval": approval, "approvals": approvals, "moves": moves}
    release["decision"]["accepted"] = accepted

    assert build_card(release)["verdict"] == verdict


def test_a_comparison_without_slices_gets_two_sided_bounds(release: dict[str, Any]) -> None:
    stored = copy.deepcopy(STORED)
    stored["comparison"] = {
        **{"champion": "R2", "champion_macro_f1": 0.70, "difference": 0.02, "low": 0.01, "high": 0.03},
        **{"confidence": 0.95, "texts": 3538},
    }

    release = upgrade_release(stored)

    card = build_card(release)["comparison"]

    assert card["confidence"] == pytest.approx(0.90)
    assert card["macro_f1"]["candidate"] == pytest.approx(0.72)
    assert (card["macro_f1"]["minimum_detectable"], card["slices"], card["changed"]) == (None, [], None)
    assert "90% interval" in release_page(release)


def test_a_p_value_at_alpha_is_significant_and_a_missing_one_is_not(release: dict[str, Any]) -> None:
    first, second, third, *_ = release["comparison"]["slices"]
    first["p_holm"], second["p_holm"], third["p_holm"] = 0.05, 0.0501, None
    release["comparison"]["confidence"] = 0.95

    rows = build_card(release)["comparison"]["slices"][:3]

    assert [row["significant"] for row in rows] == [0.05 <= 1 - 0.95, False, False]


@given(st.sets(st.sampled_from(OPTIONAL)), st.sets(st.sampled_from(MEASURED)), st.booleans())
@settings(max_examples=15, deadline=None)
def test_what_an_older_release_lacks_is_left_out(
    missing: set[str], unmeasured: set[str], deleted: bool
) -> None:
    document = copy.deepcopy(upgrade_release(STORED))
    for record, names in ((document, missing), (document["evaluation"], unmeasured)):
        for name in names:
            record[name] = None
            if deleted:
                del record[name]

    card = build_card(document)

    assert ("Compression menu" in release_page(document)) == ("menu" not in missing)
    assert ("Human agreement" in markdown(card)) == ("human" not in unmeasured)
    assert len(brief(card)) <= LENGTH


@pytest.mark.parametrize(
    "params", ["", "a: [", "just words", "collect: none", "{}", "gate: {abilities: null}\nencoder: 3"]
)
def test_unreadable_params_only_empty_what_depends_on_them(release: dict[str, Any], params: str) -> None:
    release["params"] = params

    assert "Release R3" in release_page(release)
    assert build_card(release)["data"]["sources"] == []


@pytest.mark.parametrize("write", [markdown, brief])
def test_a_hostile_string_stays_text_in_markdown(refused: dict[str, Any], write) -> None:
    refused |= {
        "actor": HOSTILE,
        "reason": HOSTILE,
        "model_version": HOSTILE,
        "data_version": HOSTILE,
        "code_commit": "`x` [a](b)",
    }
    refused["decision"]["checks"][0] |= {"sentence": HOSTILE, "name": HOSTILE, "unit": HOSTILE}
    refused["comparison"] |= {"champion": HOSTILE}
    refused["approvals"] = [{"actor": HOSTILE, "reason": HOSTILE + "\n\n# x", "time": "2026-11-22T07:15:02Z"}]

    card = rendered(write(build_card(refused)))

    assert set(re.findall(r"<(\w+)", card)) <= {
        "h1",
        "h2",
        "p",
        "strong",
        "code",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert HOSTILE in html.unescape(card)


def test_every_table_row_has_as_many_cells_as_its_head(refused: dict[str, Any]) -> None:
    refused["decision"]["checks"][0]["sentence"] = "one | two"

    for table in re.findall(r"<table>.*?</table>", rendered(markdown(build_card(refused))), re.DOTALL):
        head, *rows = (row.count("<t") for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL))
        assert set(rows) == {head}


def test_markdown_names_every_check_slice_and_file(refused: dict[str, Any]) -> None:
    text = markdown(build_card(refused))

    for name in (
        *refused["evaluation"]["slices"],
        *refused["files"],
        *(check["name"] for check in refused["decision"]["checks"]),
    ):
        assert f"| {name} |" in text
    assert "better by 0.0441 macro F1 of source=tweet." in text


def test_the_brief_card_keeps_the_verdict_and_the_reference(refused: dict[str, Any]) -> None:
    refused["decision"]["checks"][0]["sentence"] = "word " * 5_000

    text = brief(build_card(refused))

    assert text.startswith("# R4: refused")
    assert text.endswith("The full card: `tonewatch report R4`.\n")
    assert len(text) <= LENGTH


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0298, "macro F1", "0.0298 macro F1"),
        (0.00412345, "pass rate", "0.00413 pass rate"),
        (12.341, "ms", "12.4 ms"),
        (1234.1, "ms", "1,240 ms"),
        (5.0, "MB", "5.00 MB"),
        (0.0, "macro F1", "0 macro F1"),
        (None, "", ""),
        (float("nan"), "ms", ""),
    ],
)
def test_a_shortfall_has_three_significant_digits(value: float | None, unit: str, text: str) -> None:
    assert shortfall(value, unit) == text


@given(st.floats(1e-6, 1e6))
def test_a_change_by_the_shortfall_would_be_enough(value: float) -> None:
    shown = float(shortfall(value, "").replace(",", ""))

    assert value * (1 - 1e-6) <= shown <= value * 1.0101
