"""Who was champion when, and why it changed: reckoned from the moves and the releases of the ledger, handed in as plain values."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.report.fields import get_path
from pipeline.report.release.card import verdict


def reigns(moves: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Turn moves, in any order, into reigns, the oldest first; each move with the time the next one ended it.

    `until` is None for the champion of now; `kind` is first, on (to a newer release) or back (to an older one).
    """
    ordered = sorted(moves, key=lambda move: move["sequence"])
    ends = [*(move["time"] for move in ordered[1:]), None][: len(ordered)]
    return [{**move, "until": end, "kind": _kind(move)} for move, end in zip(ordered, ends, strict=True)]


def release_states(
    releases: Iterable[Mapping[str, Any]], moves: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Say of each release, in the order given, where it stands: in service, served, accepted, waiting or refused, and why."""
    held = reigns(moves)
    served = {reign["to"] for reign in held}
    champion = held[-1]["to"] if held else None
    return [_standing(release, served, champion) for release in releases]


def _standing(release: Mapping[str, Any], served: set[str], champion: str | None) -> dict[str, Any]:
    name = release["release"]
    state = "in service" if name == champion else "served" if name in served else verdict(release)
    return {
        "release": name,
        "created": release["created"],
        "state": state,
        "macro_f1": get_path(release, "evaluation", "macro_f1"),
        "reasons": list(get_path(release, "decision", "reasons") or ()) if state == "refused" else [],
    }


def _kind(move: Mapping[str, Any]) -> str:
    if move["from"] is None:
        return "first"
    return "on" if _number(move["to"]) > _number(move["from"]) else "back"


def _number(name: str) -> int:
    return int(name.removeprefix("R"))
