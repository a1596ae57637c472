"""Which release was champion when: computed from the moves, drawn over time."""

from itertools import pairwise
from typing import Any

import pytest
from reader import Reader

from pipeline.io.registry.ledger_entries import ChampionMove, reigns
from pipeline.report.charts.timeline import timeline
from pipeline.report.release.history import release_states
from pipeline.report.release.page import history_page

NOW = "2026-11-22T09:00:00Z"


def move(
    sequence: int, origin: str | None, target: str, time: str, reason: str = "tonewatch run"
) -> ChampionMove:
    return ChampionMove(sequence, origin, target, actor="ada", reason=reason, time=time, gate="")


def release_record(
    name: str, created: str, *, accepted: bool = True, approval: str = "none"
) -> dict[str, Any]:
    decision = {"accepted": accepted, "reasons": ["all is well" if accepted else "slice tweet fell"]}
    return {
        "release": name,
        "created": created,
        "approval": approval,
        "decision": decision,
        "evaluation": {"macro_f1": 0.7},
    }


REIGNS = reigns(
    [
        move(1, None, "R1", "2026-10-02T09:10:00Z"),
        move(2, "R1", "R2", "2026-10-20T11:00:00Z", "new data"),
        move(3, "R2", "R1", "2026-10-22T16:30:00Z", "complaints"),
        move(4, "R1", "R4", "2026-11-21T18:04:39Z"),
    ]
)
RELEASES = [
    release_record("R1", "2026-10-02T09:09:00Z"),
    release_record("R2", "2026-10-20T10:58:00Z"),
    release_record("R3", "2026-10-30T10:00:00Z", accepted=False),
    release_record("R4", "2026-11-21T18:04:37Z"),
    release_record("R5", "2026-11-22T08:00:00Z", approval="human"),
    release_record("R6", "2026-11-22T08:30:00Z"),
]


def test_every_release_has_a_state_and_a_refused_one_its_reasons() -> None:
    states = release_states(RELEASES, REIGNS)

    assert [(one["release"], one["state"]) for one in states] == [
        ("R1", "served"),
        ("R2", "served"),
        ("R3", "refused"),
        ("R4", "in service"),
        ("R5", "waiting"),
        ("R6", "accepted"),
    ]
    assert [one["reasons"] for one in states if one["reasons"]] == [["slice tweet fell"]]


def test_the_bars_are_contiguous_from_the_first_move_to_now() -> None:
    plot = timeline(REIGNS, release_states(RELEASES, REIGNS), now=NOW)

    bars = sorted((bar.at, bar.at + bar.width, bar.now) for lane in plot.lanes for bar in lane.bars)
    assert [lane.release for lane in plot.lanes] == ["R6", "R5", "R4", "R3", "R2", "R1"]
    assert bars[0][0] == pytest.approx(0, abs=0.01)
    assert bars[-1][1] == pytest.approx(100, abs=0.01)
    assert all(before[1] == pytest.approx(after[0], abs=0.01) for before, after in pairwise(bars))
    assert [now for _, _, now in bars] == [False, False, False, True]


def test_a_reign_of_a_minute_in_a_year_is_visible() -> None:
    moves = reigns([move(1, None, "R1", "2025-11-22T09:00:00Z"), move(2, "R1", "R2", "2026-11-22T08:59:00Z")])

    plot = timeline(
        moves,
        release_states(
            [release_record("R1", "2025-11-22T09:00:00Z"), release_record("R2", "2026-11-22T08:59:00Z")],
            moves,
        ),
        now=NOW,
    )

    (last,) = plot.lanes[0].bars
    assert last.width == 0.4
    assert last.at + last.width == 100


@pytest.mark.parametrize(
    ("now", "marks"),
    [
        ("2026-10-02T09:10:30Z", ["10-02 09:09", "10-02 09:10"]),
        ("2026-10-02T18:00:00Z", ["10-02 12:00", "10-02 15:00", "10-02 18:00"]),
        ("2026-10-09T09:00:00Z", ["2026-10-03", "2026-10-06", "2026-10-09"]),
        ("2036-10-02T09:00:00Z", ["2026-10-03", "2030-10-02", "2034-10-01"]),
    ],
)
def test_time_ticks_are_few_and_round(now: str, marks: list[str]) -> None:
    plot = timeline(REIGNS[:1], release_states(RELEASES[:1], REIGNS[:1]), now=now)

    assert [tick.label for tick in plot.ticks] == marks
    assert all(0 <= tick.at <= 100 for tick in plot.ticks)


def test_the_page_shows_the_champion_and_the_reasons() -> None:
    words = " ".join(Reader(history_page(REIGNS, RELEASES, now=NOW)).words.split())

    assert "R4 has been in service since 2026-11-21 18:04 UTC." in words
    assert "6 candidates were evaluated, the champion changed 4 times." in words
    assert "R1 came back in place of R2, 2026-10-22 16:30 UTC, by ada: complaints" in words
    assert "R3 refused, 2026-10-30 10:00 UTC, macro F1 0.700 slice tweet fell" in words.replace(
        "0.700slice", "0.700 slice"
    )


@pytest.mark.parametrize("moves", [[], REIGNS[:1]])
def test_a_ledger_without_moves_has_a_page(moves: list[dict[str, Any]]) -> None:
    words = Reader(history_page(moves, RELEASES[: len(moves)], now="2026-10-02T09:10:00Z")).words

    assert ("No release has been in service." in words) == (not moves)


def test_a_hostile_reason_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    refused = release_record("R2", "2026-10-20T10:58:00Z", accepted=False)
    refused["decision"]["reasons"] = [hostile]

    read = Reader(
        history_page(
            reigns([move(1, None, "R1", "2026-10-02T09:10:00Z", hostile)]), [RELEASES[0], refused], now=NOW
        )
    )

    assert read.words.count(hostile) == 2
    assert "script" not in read.names
