"""Rows of tables as text records."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.base.config import TableSource
from pipeline.base.digests import text_digest
from pipeline.base.errors import DataRejected
from pipeline.base.labels import (
    EMPTY_SET,
    EMPTY_SETS,
    LabelMap,
    is_no_label,
    label_key,
    pack_labels,
    trim_label,
)
from pipeline.base.records import TextRecord, Unreadable
from pipeline.base.tasks.targets import with_target, without_target
from pipeline.io.sources.aspect_columns import AspectSearch
from pipeline.io.sources.id_index import IdIndex, with_unique_ids
from pipeline.io.sources.span_cells import read_spans

Row = Mapping[str, str]
# What a column of its own for each label holds.
CHOSEN, NOT_CHOSEN = ("1", "true", "yes", "y", "t", "x"), ("0", "false", "no", "n", "f")
SHOWN_CHARACTERS, LISTED = 40, 1000
# So many rows are held while their ids are looked up.
AT_ONCE = 4096
OTHERS = "other spellings"
# Of a row that cannot be read.
NO_REFERENCE, SHOWN_CONTENT = "no reference", 200
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass
class RowTally:
    """Count what was read in another way than it is written.

    `labels` counts each pair of a label as written and as it was read, `decimal_commas` the ratings with one.
    `aspect_column` distinguishes the rows of one text with different labels, where there is such a column.
    """

    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    decimal_commas: int = 0
    aspect_column: str = ""
    # Of a source that grows: up to where it was read, and what to say of the rest.
    watermark: str = ""
    remark: str = ""

    def add_label(self, written: str, label: str) -> None:
        """Count a label as it is written; a column that holds no labels is cut short."""
        pair = (written[:SHOWN_CHARACTERS], label[:SHOWN_CHARACTERS])
        self.labels[pair if pair in self.labels or len(self.labels) < LISTED else (OTHERS, OTHERS)] += 1


def rows_to_records(
    rows: Iterable[Row | Unreadable],
    source: TableSource,
    labels: tuple[str, ...],
    tally: RowTally | None = None,
) -> Iterator[TextRecord | Unreadable]:
    """Turn rows into records whose ids are unique; what could not be read is passed on.

    A repeated row (same id, same text) gets the suffix `#2`; `clean` counts it as a duplicate. Raises
    DataRejected for an id that names different texts: a suffix would depend on the order of the file, and so
    would everything stored under that id.
    """
    tally = RowTally() if tally is None else tally
    reader, aspects, seen = RecordReader(source, labels, tally), AspectSearch(source.columns), IdIndex()
    numbered = enumerate(rows, start=1)
    while batch := list(itertools.islice(numbered, AT_ONCE)):
        records: list[TextRecord | Unreadable] = []
        for number, row in batch:
            if isinstance(row, Unreadable):
                records.append(row)
                continue
            record = reader.read(row, number)
            if isinstance(record, TextRecord):
                aspects.add(row, record)
            records.append(record)
        yield from with_unique_ids(records, source, seen, batch[0][0])
    tally.aspect_column = aspects.column()


class RecordReader:
    """Turn the rows of one source into records; `tally` counts what was read in another way than written."""

    def __init__(self, source: TableSource, labels: tuple[str, ...], tally: RowTally) -> None:
        self._source = source
        self._columns = source.columns
        self._labels = labels
        self._map = LabelMap(labels, source.label_map)
        self._tally = tally

    def read(self, row: Row, number: int) -> TextRecord | Unreadable:
        """Turn row `number` into a record; a missing label stays empty and is counted by `clean`.

        A row whose reference is missing is unreadable: nobody knows what a model should write there.

        Without an id column the id is the digest of the text, which does not depend on other rows; without a
        group each text is its own. A target is put behind its text (base/tasks/targets.py). Raises
        DataRejected when the group pattern matches nothing or a rater's value is no number.
        """
        source, columns = self._source, self._columns
        # A JSON line may lack the key; `clean` counts a record without text.
        alone = row.get(columns.text, "")
        text = with_target(alone, row.get(columns.target, "")) if columns.target else alone
        key = _cell(row, columns.id) or text_digest(text)[:16]
        # A text with all its targets is one group.
        own_group = text_digest(without_target(text))[:16] if columns.target else key
        reference = _cell(row, columns.reference)
        if columns.reference is not None and is_no_label(reference):
            return Unreadable(source.name, 0, number, columns.reference, NO_REFERENCE, alone[:SHOWN_CONTENT])
        label, more_labels = (reference, "") if reference else self._read_labels(row)
        if columns.spans is not None:
            place = f"source {source.name}, row {number}, column {columns.spans!r}"
            label = read_spans(row.get(columns.spans, ""), text, place, self._span_label, self._labels)
        return TextRecord(
            id=f"{source.name}:{key}",
            text=text,
            label=label,
            source=source.name,
            group=f"{source.name}:{_group(_cell(row, columns.group), source, number) or own_group}",
            lang=_language(_cell(row, columns.lang)) or source.lang,
            time=_cell(row, columns.time),
            licence=source.licence,
            split=_cell(row, columns.split),
            raters=self._read_raters(row, number) if columns.raters else "",
            topic=_cell(row, columns.topic),
            more_labels=more_labels,
        )

    def _read_labels(self, row: Row) -> tuple[str, str]:
        """Return the label, and the further ones of a text that has several; see TextRecord."""
        if self._columns.labels is not None:
            return self._read_label_columns(row, self._columns.labels)
        if self._columns.rating is not None:
            return self._read_rating(_cell(row, self._columns.rating)), ""
        written = row.get(self._columns.label or "", "")
        label = self._map.find(written)
        several = [label] if label else self._map.find_all(written, self._source.label_separator)
        if several:
            self._tally.add_label(written, ", ".join(several))
            return several[0], pack_labels(several[1:])
        if written.strip() in EMPTY_SETS:
            return "", EMPTY_SET
        return "" if is_no_label(written) else trim_label(written), ""

    def _span_label(self, written: str) -> str:
        label = self._map.find(written)
        self._tally.add_label(written, label or written)
        return label or written

    def _read_label_columns(self, row: Row, columns: tuple[str, ...]) -> tuple[str, str]:
        chosen = []
        for column in columns:
            value = label_key(row.get(column, ""))
            if value in CHOSEN:
                label = self._map.find(column) or column
                self._tally.add_label(column, label)
                chosen.append(label)
            elif value not in NOT_CHOSEN and not is_no_label(value):
                return f"{column}={value}", ""
        if not chosen:
            says_no = any(label_key(row.get(column, "")) in NOT_CHOSEN for column in columns)
            return "", EMPTY_SET if says_no else ""
        first, *more = self._map.in_order(chosen)
        return first, pack_labels(more)

    def _read_rating(self, written: str) -> str:
        number = self._number(written)
        if number is None:
            # A word stays, so that it is listed.
            return "" if is_no_label(written) else trim_label(written)
        rule = self._source.ratings
        if rule is not None:
            return self._labels[rule.label(number)]
        label = self._map.find(repr(number)) or self._map.find(written)
        self._tally.add_label(written, label or written)
        return label or written

    def _read_raters(self, row: Row, number: int) -> str:
        # A list as JSON, Python or a person writes it; sorted, since raters are anonymous.
        value = _cell(row, self._columns.raters)
        parts = r"[\s;]+" if self._source.decimal == "," else r"[\s,;]+"
        ratings = [self._number(part) for part in re.split(parts, value.strip("[]() ")) if part]
        numbers = sorted(rating for rating in ratings if rating is not None)
        if len(numbers) < len(ratings):
            raise DataRejected(
                f"source {self._source.name}, row {number}: column {self._columns.raters!r} holds "
                f"{value[:SHOWN_CHARACTERS]!r}, expected one number of each rater. "
                "Correct that row, empty that cell, or set `columns.raters` of this source to null."
            )
        return " ".join(f"{rating + 0.0:.15g}" for rating in numbers)

    def _number(self, written: str) -> float | None:
        decimal = self._source.decimal
        if "," in written and (decimal == "," or (decimal is None and DECIMAL_COMMA.fullmatch(written))):
            self._tally.decimal_commas += 1
            written = written.replace(".", "").replace(",", ".")
        elif decimal == ".":
            written = written.replace(",", "")
        try:
            number = float(written)
        except ValueError:
            return None
        return number if math.isfinite(number) else None


def _cell(row: Row, column: str | None) -> str:
    return row.get(column, "").strip() if column else ""


def _language(written: str) -> str:
    """Return the code of a language without its region: `en` of `en-GB`."""
    return re.split(r"[-_]", written, maxsplit=1)[0].lower() if written else ""


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
