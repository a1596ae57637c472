"""The role of each column of a table (text, label, id, group, time and others), by what its cells hold."""

import re
import statistics
from collections.abc import Mapping, Sequence

from pipeline.core.inspection.label_columns import find_labels
from pipeline.core.inspection.labels import fold
from pipeline.core.inspection.profiles import (
    LANGUAGES,
    LIST_OF_NUMBERS,
    MAX_LABELS,
    NO_COLUMN,
    SPLITS,
    ColumnProfile,
    Finder,
    Roles,
    profile,
)
from pipeline.core.inspection.spans import spans_finder
from pipeline.core.inspection.targets import target_finder

__all__ = ["Roles", "find_roles"]


def find_roles(names: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Roles:
    """Return what each column is for, by a sample of rows.

    A column has one role. What holds of several columns is decided by their names, and said.
    """
    profiles = {name: profile(name, [row.get(name, "") for row in rows]) for name in names if name}
    roles = Roles()
    free = {name: one for name, one in profiles.items() if one.distinct > 0}
    early: tuple[tuple[str, Finder], ...] = (
        ("text", _find_text),
        ("split", _find_split),
        ("time", _find_time),
        ("raters", _find_raters),
        ("spans", spans_finder(rows)),
        ("lang", _find_language),
    )
    for role, find in early:
        if found := find(free, roles):
            setattr(roles, role, found)
            free.pop(found)
    if not roles.spans:
        find_labels(free, rows, roles)
    if not (roles.spans or roles.label or roles.rating or roles.one_hot) and (found := _find_reference(free)):
        roles.reference = free.pop(found).name
        roles.doubts.append(
            f"Column {roles.reference} holds a text for each text, and no column holds labels: the task is "
            "`generation`, and a model learns to write it. For labels name a table that has some."
        )
    late = (("id", _find_id), ("target", target_finder(rows, roles)), ("group", _find_group))
    for role, find in late:
        if found := find(free, roles):
            setattr(roles, role, found)
            free.pop(found)
    roles.topic = _find_topic(free, roles)
    return roles


def _find_text(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    """Return the column with the longest and most varied words."""

    def score(one: ColumnProfile) -> float:
        return one.characters * one.distinct_share * one.letters * (1.6 if one.is_called("text") else 1.0)

    texts = [
        one
        for one in free.values()
        if one.letters > 0.5
        and one.times < 0.5
        and one.numbers < 0.5
        and (one.words >= 2 or one.characters >= 10 or one.is_called("text"))
        and (one.distinct > MAX_LABELS or one.distinct_share > 0.2 or one.is_called("text"))
    ]
    # What was written about a text is none to be read, where there is another.
    texts = [one for one in texts if not one.is_called("reference")] or texts
    ranked = sorted(texts, key=score, reverse=True)
    if len(ranked) > 1 and score(ranked[1]) > 0.5 * score(ranked[0]) and ranked[1].words > 3:
        roles.doubts.append(
            f"Columns {ranked[0].name} and {ranked[1].name} both hold texts: {ranked[0].name} is taken. "
            "Correct `columns.text` if the other is meant."
        )
    return ranked[0].name if ranked else ""


def _find_reference(free: Mapping[str, ColumnProfile]) -> str:
    """Return the column of texts about the texts, by its name; the one with the most words of several."""
    found = [
        one for one in free.values() if one.is_called("reference") and one.letters > 0.5 and one.words >= 2
    ]
    return max(found, key=lambda one: one.words, default=NO_COLUMN).name


def _find_split(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    found = next((one for one in free.values() if {fold(value) for value in one.values} <= SPLITS), None)
    if found is None:
        return ""
    sides = {fold(value) for value in found.values}
    counts = ", ".join(f"{side} {number}" for side, number in found.values.items())
    if not sides & {"test", "testing", "eval", "holdout"}:
        roles.doubts.append(
            f"Column {found.name} names {counts} but no test: a test split is dealt from train by hash. "
            "Write `split: null` to deal all of them by hash."
        )
    elif not sides & {"valid", "validation", "val", "dev"}:
        roles.doubts.append(f"Column {found.name} names {counts} but no validation: it is dealt from train.")
    return found.name


def _find_time(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    times = [
        one
        for one in free.values()
        if one.times > 0.8 and (one.numbers < 0.9 or one.is_called("time") or one.distinct_share > 0.5)
    ]
    return max(times, key=lambda one: (one.is_called("time"), one.filled), default=NO_COLUMN).name


def _find_raters(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    for one in free.values():
        lists = sum(n for value, n in one.values.items() if LIST_OF_NUMBERS.fullmatch(value))
        parts = [len(re.findall(r"[-+]?\d+(?:\.\d+)?", value)) for value in list(one.values)[:100]]
        if lists > 0.9 * one.cells and one.times < 0.5 and one.numbers < 0.5 and parts:
            enclosed = all(value[0] in "[(" for value in one.values)
            if enclosed or (statistics.median(parts) >= 3 and one.is_called("raters")):
                return one.name
    return ""


def _find_language(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    for one in free.values():
        codes = {re.split(r"[-_]", value.lower())[0] for value in one.values}
        if codes <= LANGUAGES and (one.is_called("lang") or (len(codes) > 1 and not codes <= {"no", "yes"})):
            return one.name
    return ""


def _find_id(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    unique = [
        one
        for one in free.values()
        if one.distinct == one.cells and one.filled == 1 and one.words <= 1.5 and one.characters <= 64
    ]
    return max(unique, key=lambda one: one.is_called("id"), default=NO_COLUMN).name


def _find_group(free: Mapping[str, ColumnProfile], _: Roles) -> str:
    groups = [
        one
        for one in free.values()
        if 1 < one.distinct <= 0.9 * one.cells
        and one.words <= 2
        and one.whole_numbers + one.numbers < 1.9 + one.is_called("group")
        and (
            one.is_called("group") or (one.distinct > 20 and one.filled > 0.9 and not one.is_called("topic"))
        )
    ]
    return max(groups, key=lambda one: (one.is_called("group"), one.distinct), default=NO_COLUMN).name


def _find_topic(free: Mapping[str, ColumnProfile], roles: Roles) -> str:
    topics = [
        one
        for one in free.values()
        if 2 <= one.distinct <= 100
        and one.distinct <= 0.5 * one.cells
        and one.letters > 0.9
        and one.words <= 4
    ]
    best = max(topics, key=lambda one: (one.is_called("topic"), one.filled), default=NO_COLUMN)
    if best.name and not best.is_called("topic"):
        roles.doubts.append(f"Column {best.name} holds {best.distinct} values: it is taken as the topic.")
    return best.name
