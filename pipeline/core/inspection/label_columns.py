"""Which columns hold the labels: one, a rating, or one column for each label."""

from collections.abc import Mapping, Sequence

from pipeline.core.inspection.labels import fold, looks_like_sentiment, separator_of, split_labels
from pipeline.core.inspection.profiles import MAX_LABELS, NO_COLUMN, ONE_HOT, ColumnProfile, Roles


def find_labels(free: dict[str, ColumnProfile], rows: Sequence[Mapping[str, str]], roles: Roles) -> None:
    """Find the column of labels, a rating, or one-hot columns, and take them from the free columns."""
    if (one_hot := find_one_hot(free, rows, roles)) and not any(
        one.is_called("label") and name not in one_hot and _is_label(one) for name, one in free.items()
    ):
        roles.one_hot = one_hot
        for name in one_hot:
            free.pop(name)
        return
    ranked = sorted((one for one in free.values() if _is_label(one)), key=_label_score, reverse=True)
    rating = _find_rating(free)
    if rating and (not ranked or _label_score(ranked[0]) < 2.5):
        roles.rating = free.pop(rating).name
        return
    if not ranked:
        return
    best = ranked[0]
    if len(ranked) > 1 and _label_score(ranked[1]) >= _label_score(best) - 0.5:
        roles.doubts.append(
            f"Columns {best.name} and {ranked[1].name} could both be the label: {best.name} is taken. "
            "Correct `columns.label` if the other is meant."
        )
    roles.label, roles.separator = best.name, separator_of(best.values)
    free.pop(best.name)


def _is_label(one: ColumnProfile) -> bool:
    values = one.values
    if separator := separator_of(values):
        kinds = {fold(part) for value in values for part in split_labels(value, separator)}
    else:
        kinds = {fold(value) for value in values}
    short = one.characters <= 40 and one.words <= 4
    few = 2 <= len(kinds) <= MAX_LABELS and len(kinds) <= 0.5 * one.cells
    fractions = one.numbers > 0.9 and one.whole_numbers < 0.9
    return short and few and not fractions and one.times < 0.5


def _label_score(one: ColumnProfile) -> float:
    score = 2.0 * one.is_called("label")
    score += 2.0 * looks_like_sentiment(one.values)
    score += 1.0 * (one.is_called("rating") and one.whole_numbers > 0.9)
    score += 0.5 * (one.distinct <= 10)
    score -= (
        1.0
        * (one.is_called("topic") or one.is_called("group") or one.is_called("aspect"))
        * (not one.is_called("label"))
    )
    return score + 0.2 * one.filled


def _find_rating(free: Mapping[str, ColumnProfile]) -> str:
    ratings = [
        one
        for one in free.values()
        if one.numbers > 0.9
        and one.distinct > 2
        and (one.whole_numbers < 0.9 or one.is_called("rating"))
        and (one.distinct_share < 0.9 or one.is_called("rating"))
        and one.times < 0.5
        and not (one.is_called("id") and one.distinct_share > 0.95)
    ]
    best = max(ratings, key=lambda one: (one.is_called("rating"), one.whole_numbers < 0.9), default=NO_COLUMN)
    # A few whole numbers are labels: five stars.
    return "" if best.name and best.whole_numbers > 0.9 and best.distinct <= 11 else best.name


def find_one_hot(
    free: Mapping[str, ColumnProfile], rows: Sequence[Mapping[str, str]], roles: Roles
) -> tuple[str, ...]:
    """Return the columns of which exactly one holds 1 in each row, or which together name several labels."""
    names = [
        name
        for name, one in free.items()
        if any({fold(value) for value in one.values} <= kinds for kinds in ONE_HOT)
        and one.filled > 0.9
        and not one.is_called("id")
    ]
    if len(names) < 2:
        return ()
    sums = [sum(fold(row.get(name, "")) in ("1", "true", "yes", "1.0") for name in names) for row in rows]
    if sum(count == 1 for count in sums) >= 0.99 * len(sums):
        return tuple(names)
    if len(names) >= 3 and max(sums) > 1:
        several = sum(count > 1 for count in sums)
        roles.several = True
        roles.doubts.append(
            f"Columns {', '.join(names)} each say yes or no: {several} of {len(sums)} texts have several "
            "labels, so the task is `multi_label`."
        )
        return tuple(names)
    return ()
