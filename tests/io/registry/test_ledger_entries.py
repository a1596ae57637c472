"""Reigns: which release was champion from when until when, computed from the moves."""

from pipeline.io.registry.ledger_entries import ChampionMove, reigns


def move(sequence: int, origin: str | None, target: str, time: str) -> ChampionMove:
    return ChampionMove(sequence, origin, target, actor="ada", reason="tonewatch run", time=time, gate="")


MOVES = [
    move(1, None, "R1", "2026-10-02T09:10:00Z"),
    move(2, "R1", "R2", "2026-10-20T11:00:00Z"),
    move(3, "R2", "R1", "2026-10-22T16:30:00Z"),
    move(4, "R1", "R4", "2026-11-21T18:04:39Z"),
]


def test_a_reign_ends_when_the_next_one_begins() -> None:
    rows = [
        (one["to"], one["time"][5:10], one["until"] and one["until"][5:10], one["kind"])
        for one in reigns(MOVES)
    ]

    assert rows == [
        ("R1", "10-02", "10-20", "first"),
        ("R2", "10-20", "10-22", "on"),
        ("R1", "10-22", "11-21", "back"),
        ("R4", "11-21", None, "on"),
    ]


def test_without_a_move_there_is_no_reign() -> None:
    assert reigns([]) == []


def test_r10_after_r9_is_a_move_forward() -> None:
    moves = [move(1, None, "R9", "2026-10-02T09:10:00Z"), move(2, "R9", "R10", "2026-10-03T09:10:00Z")]

    assert reigns(moves)[-1]["kind"] == "on"
