"""Look at a table: how it is written, what its columns are for, its labels, lengths and languages."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.digests import text_digest
from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.base.tasks import ASPECT, TaskName
from pipeline.core.inspection.columns import find_roles
from pipeline.core.inspection.labels import LabelPlan, plan_labels, rating_cuts
from pipeline.core.inspection.profiles import Roles
from pipeline.core.inspection.spans import entity_labels
from pipeline.core.inspection.task import task_of
from pipeline.core.inspection.texts import TextMeasures, TextTally
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import Row, Shape, TableRequest
from pipeline.operations.tables.doubts import MAX_VALUES, label_doubts

SAMPLE_ROWS = 5000
UNREADABLE_LISTED = 5
# Beyond, ids and duplicates are not checked: the digests of more texts would fill the memory.
CHECKED_ROWS = 500_000
MAX_BYTES = 4_000_000_000
# Word pieces of a word, with some room.
TOKENS_A_WORD = 1.4
TOKEN_LENGTHS = (64, 96, 128, 192, 256, 384, 512)
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


@dataclass(frozen=True)
class TableInspection:
    """Hold what a table is: `columns` maps fields to columns, `doubts` are sentences about what is not sure.

    `header` holds the names that a table without a header gets. `cuts` make a label of a rating. `task` is
    the one that the table is for, `answer_words` the words of its longest reference.
    """

    path: Path
    labels_path: Path | None
    shape: Shape
    header: tuple[str, ...]
    rows: int
    unreadable: int
    first_unreadable: tuple[Unreadable, ...]
    columns: dict[str, str]
    one_hot: tuple[str, ...]
    label_separator: str
    decimal: str
    labels: LabelPlan
    cuts: tuple[float, float] | None
    texts: TextMeasures
    doubts: tuple[str, ...]
    task: TaskName
    answer_words: int

    @property
    def label_column(self) -> str:
        """Return the column of labels, ratings or entities, the first of one-hot columns, or ""."""
        named = (self.columns.get(field, "") for field in ("label", "rating", "spans"))
        return next(filter(None, named), "") or next(iter(self.one_hot), "")

    @property
    def language(self) -> str:
        """Return the code of the most frequent language, `en` where no text is long enough to tell."""
        return next(iter(self.texts.languages), "en")

    @property
    def max_tokens(self) -> int:
        """Return how many tokens of a text a model should read: nineteen of twenty texts fit."""
        tokens = (self.texts.p95_words + self.answer_words) * TOKENS_A_WORD
        return next((length for length in TOKEN_LENGTHS if length >= tokens), TOKEN_LENGTHS[-1])

    def as_dict(self) -> dict[str, object]:
        """Return the inspection as JSON holds it."""
        document = dataclasses.asdict(self)
        return document | {
            "path": str(self.path),
            "labels_path": str(self.labels_path) if self.labels_path else None,
        }


def inspect_table(
    path: Path, *, labels_path: Path | None = None, only_labels: Sequence[str] = ()
) -> TableInspection:
    """Read a table twice, in constant memory, and return what it holds.

    `labels_path` is a second file with the labels, a line each. `only_labels` are the labels to learn, in
    their order. Raises DataRejected for a file that is no table, or has no column of texts.
    """
    request = TableRequest(
        path, str(path), MAX_BYTES, kind="text" if labels_path else None, labels_path=labels_path
    )
    with open_table(request) as table:
        sample = list(
            itertools.islice((row for row in table.rows if not isinstance(row, Unreadable)), SAMPLE_ROWS)
        )
        shape = table.shape
    if not sample:
        raise DataRejected(f"{path} holds no rows that can be read. Put a table with rows there.")
    names = _columns(shape, sample)
    roles = find_roles(names, sample)
    if not roles.text:
        if repeated := [note for note in shape.notes if "repeats a column name" in note]:
            raise DataRejected(repeated[0])
        raise DataRejected(
            f"{path} has no column of texts: none of {', '.join(names[:20])} holds words. "
            "Name a table with a text a row."
        )
    return _measure(request, shape, roles, only_labels)


def _columns(shape: Shape, sample: Sequence[Row]) -> tuple[str, ...]:
    if shape.kind in ("json", "jsonl", "parquet", "conll"):
        return tuple(dict.fromkeys(itertools.chain.from_iterable(sample)))
    return tuple(name for name in dict.fromkeys(shape.columns) if name)


@dataclass
class _Counts:
    """Count one pass over all rows."""

    texts: TextTally
    rows: int = 0
    unreadable: int = 0
    labels: Counter[str] = dataclasses.field(default_factory=Counter)
    first_unreadable: list[Unreadable] = dataclasses.field(default_factory=list)
    ids: set[str] = dataclasses.field(default_factory=set)
    repeated_id: str = ""
    decimal_commas: int = 0
    answer_words: int = 0

    def add(self, row: Row | Unreadable, roles: Roles) -> None:
        if isinstance(row, Unreadable):
            self.unreadable += 1
            if len(self.first_unreadable) < UNREADABLE_LISTED:
                self.first_unreadable.append(row)
            return
        self.rows += 1
        self.texts.add(row.get(roles.text, ""))
        if roles.reference:
            self.answer_words = max(self.answer_words, len(row.get(roles.reference, "").split()))
        for value in _label_values(row, roles):
            if value in self.labels or len(self.labels) < MAX_VALUES:
                self.labels[value] += 1
        if roles.rating and DECIMAL_COMMA.fullmatch(row.get(roles.rating, "").strip()):
            self.decimal_commas += 1
        if roles.id and self.rows <= CHECKED_ROWS:
            key = row.get(roles.id, "").strip()
            self.repeated_id = self.repeated_id or (key if key in self.ids else "")
            self.ids.add(key)


def _label_values(row: Row, roles: Roles) -> list[str]:
    """Return what a row says about labels: one cell of them, the label of each entity, or nothing."""
    if roles.reference:
        return []
    return entity_labels(row.get(roles.spans, "")) or [] if roles.spans else [_label_value(row, roles)]


def _label_value(row: Row, roles: Roles) -> str:
    if roles.one_hot:
        chosen = [
            name for name in roles.one_hot if row.get(name, "").strip().lower() in ("1", "true", "yes", "1.0")
        ]
        return ",".join(chosen)
    return row.get(roles.rating or roles.label, "") if (roles.rating or roles.label) else ""


def _measure(request: TableRequest, shape: Shape, roles: Roles, only: Sequence[str]) -> TableInspection:
    counts = _Counts(TextTally(digest=text_digest, most=CHECKED_ROWS))
    with open_table(request) as table:
        for row in table.rows:
            counts.add(row, roles)
    if counts.repeated_id:
        roles.doubts.append(
            f"Column {roles.id} is no id: {counts.repeated_id[:40]!r} occurs in several rows. "
            "Ids are made of the texts."
        )
        roles.id = ""
    cuts = _cuts(counts, roles)
    plan = _plan(counts, roles, cuts, only)
    header, rename = _header(shape, roles)
    task = task_of(roles, plan.labels)
    roles.target = roles.target if task == ASPECT else ""
    doubts = [*roles.doubts, *label_doubts(request.path, roles, plan, counts.labels)]
    return TableInspection(
        path=request.path,
        labels_path=request.labels_path,
        shape=shape,
        header=header,
        rows=counts.rows,
        unreadable=counts.unreadable,
        first_unreadable=tuple(counts.first_unreadable),
        columns={field: rename.get(name, name) for field, name in roles.columns().items()},
        one_hot=tuple(rename.get(name, name) for name in roles.one_hot),
        label_separator="" if roles.one_hot else roles.separator,
        decimal="," if counts.decimal_commas else "",
        labels=plan,
        cuts=cuts,
        texts=counts.texts.measures(),
        doubts=tuple(doubts),
        task=task,
        answer_words=counts.answer_words,
    )


def _plan(counts: _Counts, roles: Roles, cuts: tuple[float, float] | None, only: Sequence[str]) -> LabelPlan:
    if cuts is None:
        return plan_labels(counts.labels, separator="," if roles.one_hot else roles.separator, only=only)
    sides: Counter[str] = Counter()
    for value, number in counts.labels.items():
        rating = _number(value)
        if rating is not None:
            side = "negative" if rating <= cuts[0] else "positive" if rating >= cuts[1] else "neutral"
            sides[side] += number
    labels = tuple(only) or ("negative", "neutral", "positive")
    return LabelPlan(labels, {label: sides[label] for label in labels}, {}, {}, {})


def _cuts(counts: _Counts, roles: Roles) -> tuple[float, float] | None:
    if not roles.rating:
        return None
    numbers = [number for value in counts.labels if (number := _number(value)) is not None]
    return rating_cuts(numbers) if len(set(numbers)) > 1 else None


def _number(value: str) -> float | None:
    try:
        return float(value.strip().replace(",", "."))
    except ValueError:
        return None


def _header(shape: Shape, roles: Roles) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names of the columns of a table without a header, and what each column was called before."""
    if shape.dialect is None or shape.dialect.has_header:
        return (), {}
    rename = {column: role for role, column in roles.columns().items()}
    return tuple(rename.get(name, name) for name in shape.columns), rename
