"""Candidate against champion, as the card tells it: differences with intervals, those surely worse marked, ids of changed answers."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.fields import pick

ROW = (
    "name",
    "texts",
    "candidate",
    "champion",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "bound",
    "visible",
    "data_version",
)
OVERALL = ("candidate", "champion", "difference", "low", "high", "visible")
TEST = ("only_candidate", "only_champion", "p")


def comparison_card(found: Mapping[str, Any] | None, *, rule: str | None) -> dict[str, Any] | None:
    """Take a comparison out of a document; None when there was no champion. `rule` is what the gate asked: better, or not_worse."""
    if not found:
        return None
    if "macro_f1" not in found:
        found = _widened(found)
    alpha = 1 - found["confidence"]
    return {
        **pick(found, "champion", "texts", "confidence", "power", "margin", "forgetting_margin"),
        "rule": rule,
        "macro_f1": pick(found["macro_f1"], *OVERALL),
        "mcnemar": pick(found["mcnemar"], *TEST) if found.get("mcnemar") else None,
        "slices": [_row(row, alpha) for row in found.get("slices") or ()],
        "forgetting": [_row(row, alpha) for row in found.get("forgetting") or ()],
        "changed": _changed(found.get("changed")),
    }


def _row(row: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    p = row.get("p_holm")
    return {**pick(row, *ROW), "surely_worse": p is not None and p <= alpha}


def _changed(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    return {
        **pick(found, "count", "mended", "broken"),
        "answers": [
            pick(entry, "id", "label", "champion", "candidate") for entry in found.get("texts") or ()
        ],
    }


def _widened(found: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a comparison from before there were slices into today's shape; each of its bounds held alone with its confidence."""
    theirs = found["champion_macro_f1"]
    return {
        **pick(found, "champion", "texts"),
        "confidence": 2 * found["confidence"] - 1,
        "macro_f1": {
            **pick(found, "difference", "low", "high"),
            "champion": theirs,
            "candidate": theirs + found["difference"],
        },
    }
