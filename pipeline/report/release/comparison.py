"""Candidate against champion on the card: significant regressions marked, changed predictions by id."""

from collections.abc import Sequence

from pipeline.base.documents import (
    ChangedPrediction,
    ChangedPredictions,
    Comparison,
    McNemarTest,
    OverallDifference,
    SliceDifference,
)
from pipeline.base.documents.card import CardComparison, CardDifference
from pipeline.base.tasks.scores import score_key
from pipeline.report.fields import pick


def comparison_card(comparison: Comparison | None, *, rule: str | None) -> CardComparison | None:
    """Return a comparison's part of the card; None without a champion. `rule` is better or not_worse."""
    if not comparison:
        return None
    alpha = 1 - comparison["confidence"]
    mcnemar, key = comparison.get("mcnemar"), score_key(comparison)
    return pick(
        CardComparison,
        comparison,
        rule=rule,
        **{key: pick(OverallDifference, comparison[key])},
        mcnemar=pick(McNemarTest, mcnemar) if mcnemar else None,
        slices=_differences(comparison.get("slices"), alpha),
        forgetting=_differences(comparison.get("forgetting"), alpha),
        changed=_changed(comparison.get("changed")),
    )


def _differences(rows: Sequence[SliceDifference] | None, alpha: float) -> list[CardDifference]:
    return [
        pick(
            CardDifference,
            row,
            p_adjusted=_p_adjusted(row),
            significant=_refuses(row, alpha),
            drop=row.get("state") or ("significant" if _refuses(row, alpha) else "no"),
        )
        for row in rows or ()
    ]


def _p_adjusted(row: SliceDifference) -> float | None:
    return row.get("p_adjusted", row.get("p_holm"))


def _refuses(row: SliceDifference, alpha: float) -> bool:
    """Return whether the row speaks against the candidate, by the rules of its version."""
    if state := row.get("state"):
        return state in ("worse", "not shown")
    p = row.get("p_holm")
    return p is not None and p <= alpha


def _changed(changed: ChangedPredictions | None) -> ChangedPredictions | None:
    if not changed:
        return None
    texts = [pick(ChangedPrediction, text) for text in changed.get("texts") or ()]
    return pick(ChangedPredictions, changed, texts=texts)
