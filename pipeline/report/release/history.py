"""Which release was champion when, and why it changed: from the moves and the releases of the ledger."""

from collections.abc import Iterable
from typing import Literal

from pipeline.base.documents import MoveRecord, ReignRecord, ReleaseRecord
from pipeline.base.documents.card import ReleaseState
from pipeline.report.fields import get_path, pick
from pipeline.report.release.card import verdict


def reigns(moves: Iterable[MoveRecord]) -> list[ReignRecord]:
    """Return the moves, oldest first, each with the time the next one ended its reign and its kind.

    `until` is None for today's champion. `kind` is first, on (to a newer release) or back (to an older one).
    """
    ordered = sorted(moves, key=lambda move: move["sequence"])
    ends = [*(move["time"] for move in ordered[1:]), None]
    # One end more than there are moves where there is none at all.
    return [
        pick(ReignRecord, move, until=end, kind=_kind(move)) for move, end in zip(ordered, ends, strict=False)
    ]


def release_states(releases: Iterable[ReleaseRecord], moves: Iterable[MoveRecord]) -> list[ReleaseState]:
    """Return where each release stands, in the given order."""
    targets = [reign["to"] for reign in reigns(moves)]
    return [_state(release, targets) for release in releases]


def _state(release: ReleaseRecord, champions: list[str]) -> ReleaseState:
    name = release["release"]
    state: str = verdict(release)
    if name in champions:
        state = "in service" if name == champions[-1] else "served"
    reasons = get_path(release, "decision", "reasons") if state == "refused" else ()
    return pick(
        ReleaseState,
        release,
        state=state,
        macro_f1=get_path(release, "evaluation", "macro_f1"),
        reasons=list(reasons or ()),
    )


def _kind(move: MoveRecord) -> Literal["first", "on", "back"]:
    if move["from"] is None:
        return "first"
    return "on" if _number(move["to"]) > _number(move["from"]) else "back"


def _number(name: str) -> int:
    return int(name.removeprefix("R"))
