"""The page of a data version: everything is on it, and what comes from outside stays a text."""

from data_reports import BIDI, MEGABYTE, SCRIPT, data_report
from markupsafe import escape

from pipeline.base.documents.data_report import PeriodLabels
from pipeline.report.data.page import data_page, shorten
from pipeline.report.rendering import content_security_policy


def test_every_part_is_on_the_page() -> None:
    page = data_page(data_report())

    for part in (
        "Data v2",
        "840</strong> texts from 3 sources, of 1,000 rows read",
        "R1, R2",
        "too short",
        "40 texts have more words than the 64 tokens",
        "Share of each label over time",
        "70 texts have no time",
        "write to [email]",
        "7 are listed in",
        "Texts that changed since v1",
        "relabelled since v1: 60 texts have another label",
        "good -&gt; bad",
        "no network and runs no script",
    ):
        assert part in page, part


def test_hostile_texts_are_escaped_isolated_and_cut() -> None:
    page = data_page(data_report())

    assert "<script" not in page
    assert "<img" not in page
    assert str(escape(SCRIPT)) in page
    assert f"<bdi>{BIDI}</bdi>" in page
    assert len(page) < 120_000
    assert MEGABYTE[:200] in page
    assert "1,048,576 characters" in page


def test_a_first_version_without_anything_to_name_is_a_page() -> None:
    page = data_page(
        data_report(
            parent=None,
            releases=[],
            losses={},
            times=[PeriodLabels("2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z", {"good": 3})],
            examples=[],
            likely_wrong=[],
            findings=[],
            change=None,
            languages={},
            words={},
        )
    )

    for part in ("this is the first", "none yet", "No row was lost", "No rule changed", "None was found"):
        assert part in page, part
    assert "over-time-title" not in page


def test_equal_reports_are_equal_pages_with_a_policy_of_their_own_style() -> None:
    assert data_page(data_report()) == data_page(data_report())
    assert content_security_policy(("page.css", "data/page.css")) != content_security_policy()
    assert shorten("x" * 281) == "x" * 280 + "… (281 characters)"
