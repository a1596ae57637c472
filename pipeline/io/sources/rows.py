"""Rows of tables as text records."""

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from pipeline.base.config import TableSource
from pipeline.base.digests import text_digest
from pipeline.base.errors import DataRejected
from pipeline.base.records import TextRecord, Unreadable


def rows_to_records(
    rows: Iterable[Mapping[str, str] | Unreadable], source: TableSource, labels: tuple[str, ...]
) -> Iterator[TextRecord | Unreadable]:
    """Turn rows into records whose ids are unique; pass on what could not be read.

    A repeated row (same id, same text) gets the suffix `#2`; `clean` counts it as a duplicate. Raises
    DataRejected for an id that names different texts: a suffix would depend on the order of the file, and so
    would everything stored under that id.
    """
    by_id: dict[str, tuple[int, str, int]] = {}
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Unreadable):
            yield row
            continue
        record = row_to_record(row, source, labels, number)
        first, text, times = by_id.get(record.id, (number, record.text, 0))
        if text != record.text:
            raise DataRejected(
                f"source {source.name}: rows {first} and {number} have the id {record.id!r} "
                "and different texts. "
                "Set `columns.id` of this source to a column without repeats, or to null; "
                "map this one as `group` if its rows belong together."
            )
        by_id[record.id] = (first, text, times + 1)
        yield dataclasses.replace(record, id=f"{record.id}#{times + 1}") if times else record


def row_to_record(
    row: Mapping[str, str], source: TableSource, labels: tuple[str, ...], number: int
) -> TextRecord:
    """Turn row `number` of a source into a record; a missing label stays empty and is counted by `clean`.

    Without an id column the id is the digest of the text, which does not depend on other rows; without a
    group each text is its own. Raises DataRejected when the group pattern matches nothing or a rater's value
    is no number.
    """
    columns = source.columns
    # A JSON line may lack the key; `clean` counts a record without text.
    text = row.get(columns.text, "")
    key = _cell(row, columns.id) or text_digest(text)[:16]
    return TextRecord(
        id=f"{source.name}:{key}",
        text=text,
        label=_label(row, source, labels),
        source=source.name,
        group=f"{source.name}:{_group(_cell(row, columns.group), source, number) or key}",
        lang=source.lang,
        time=_cell(row, columns.time),
        licence=source.licence,
        split=_cell(row, columns.split),
        raters=_raters(_cell(row, columns.raters), source, number),
    )


def _cell(row: Mapping[str, str], column: str | None) -> str:
    return row.get(column, "").strip() if column else ""


def _group(value: str, source: TableSource, number: int) -> str:
    if not value or source.group_pattern is None:
        return value
    match = re.search(source.group_pattern, value)
    part = 1 if match and match.re.groups else 0
    if match is None or not match[part]:
        raise DataRejected(
            f"source {source.name}, row {number}: group_pattern {source.group_pattern!r} matches nothing "
            f"in column {source.columns.group!r}. "
            "Correct the pattern in params.yaml, or set it to null to use the whole value."
        )
    return match[part]


def _label(row: Mapping[str, str], source: TableSource, labels: tuple[str, ...]) -> str:
    if source.ratings is not None:
        rating = _number(_cell(row, source.columns.rating))
        return labels[source.ratings.label(rating)] if rating is not None else ""
    value = _cell(row, source.columns.label)
    return source.label_map.get(value, value)


def _raters(value: str, source: TableSource, number: int) -> str:
    # A list as JSON, Python or a person writes it; sorted, since raters are anonymous.
    ratings = [_number(part) for part in re.split(r"[\s,;]+", value.strip("[]() ")) if part]
    numbers = sorted(rating for rating in ratings if rating is not None)
    if len(numbers) < len(ratings):
        raise DataRejected(
            f"source {source.name}, row {number}: column {source.columns.raters!r} holds {value[:40]!r}, "
            "expected one number of each rater. "
            "Correct that row, empty that cell, or set `columns.raters` of this source to null."
        )
    return " ".join(f"{rating + 0.0:.15g}" for rating in numbers)


def _number(value: str) -> float | None:
    try:
        rating = float(value)
    except ValueError:
        return None
    return rating if math.isfinite(rating) else None
