"""Predict every row of a table with the champion: in batches, on all cores, in the order of the rows."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.errors import DataRejected, UsageError
from pipeline.base.tasks import reads_targets
from pipeline.base.tasks.targets import with_target
from pipeline.inference.champion import LoadedRelease, load_champion
from pipeline.inference.prediction import Prediction, items_name, items_of, prediction_of
from pipeline.inference.workers import predict_groups
from pipeline.io.tables.formats import require_format
from pipeline.io.tables.reader import TEXT, Table, column_texts, listed, open_table
from pipeline.io.tables.writer import check_out, write_table

if TYPE_CHECKING:
    from pyarrow import RecordBatch

    from pipeline.core.model.predictor import Predictions

PROBABILITY, TARGET = "probability_", "target"


@dataclass(frozen=True)
class ScoreRequest:
    """Hold what to score: a table or a file of lines, the column of texts, and where the scored table goes.

    `target` is the column of what the texts speak of, where the release labels targets. `prefix` comes before
    the name of each added column; `replace` allows `out` to exist.
    """

    source: Path
    out: Path
    column: str | None = None
    target: str | None = None
    prefix: str = ""
    replace: bool = False


@dataclass
class ScoredTable:
    """Hold what was written: all rows, the predicted, cut and uncertain ones, and how many have each label.

    Rows `without_text`, or without a target where one is labelled, have no prediction. `escaped` cells got a
    quote, so no spreadsheet evaluates them.
    """

    out: str
    column: str
    release: str
    data_version: str
    max_tokens: int
    rows: int = 0
    predicted: int = 0
    without_text: int = 0
    cut: int = 0
    uncertain: int = 0
    escaped: int = 0
    labels: dict[str, int] = field(default_factory=dict)

    def count(self, rows: Sequence[Prediction | None], release: LoadedRelease) -> None:
        """Count rows that were written; a text counts for each label that it has."""
        predicted = [row for row in rows if row is not None]
        self.rows += len(rows)
        self.predicted += len(predicted)
        self.without_text += len(rows) - len(predicted)
        self.cut += sum(row.cut for row in predicted)
        self.uncertain += sum(row.uncertain for row in predicted)
        counted = [] if release.is_written else predicted
        labels = (label for row in counted for label in release.counted_as(row.label))
        for label, count in Counter(labels).items():
            self.labels[label] = self.labels.get(label, 0) + count


def score_table(workspace: Workspace, request: ScoreRequest, standard_input: BinaryIO) -> ScoredTable:
    """Write a table of all columns of the source and the champion's predictions; it is whole or absent.

    The added columns are label, best, uncertain, cut, one `probability_` column per label, release and
    data_version; in JSON also the list of `labels` or of `spans`, where a text may have several; `generated`
    where the release writes. Every row is kept; one without a text has no prediction. Raises UsageError for a
    column or a place that cannot be used, DataRejected for a row that cannot be read.
    """
    source, out = request.source, request.out
    check_out(out, replace=request.replace)
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageError(f"{out} is the table that is read. Name another file with `--out`.")
    release = load_champion(workspace)
    table = open_table(source, standard_input)
    column, target = choose_column(table, request.column), _target_column(table, request.target, release)
    columns = _added_columns(release, out)
    added = {request.prefix + name: kind for name, kind in columns.items()}
    _check_names(table, list(added), request.prefix)
    scored = ScoredTable(str(out), column, release.name, release.data_version, release.predictor.max_tokens)
    like = source if source.is_file() else None
    with (
        write_table(out, table.schema, added, like=like, replace=request.replace) as writer,
        closing(predict_groups(release, _groups(table, column, target), rows=table.rows)) as groups,
        logs.progress(f"predict {source.name}", table.rows) as progress,
    ):
        for (batch, texts), predictions in groups:
            rows = _rows(texts, predictions, release.labels)
            values = _values(rows, texts, release, columns)
            writer.write(batch, dict(zip(added, values, strict=True)))
            scored.count(rows, release)
            progress(scored.rows)
        scored.escaped = writer.escaped
        if scored.rows and not scored.predicted:
            raise DataRejected(
                f"No row of {table.where} has a text in column {column!r}"
                f"{f' and a target in column {target!r}' if target else ''}. Name another with `--column`: "
                f"{listed(table.columns)}."
            )
    return scored


def choose_column(table: Table, name: str | None) -> str:
    """Return the column of texts: the one named, else `text`, else the only one that holds words.

    Raises UsageError that lists the columns.
    """
    if name is None:
        candidates = [TEXT] if TEXT in table.columns else table.text_columns
        if len(candidates) == 1:
            return candidates[0]
        raise UsageError(
            f"{table.where} has {len(candidates) or 'no'} columns that could be the texts. "
            f"Name one with `--column`: {listed(candidates or table.columns)}."
        )
    if name not in table.columns:
        raise UsageError(
            f"{table.where} has no column {name!r}. Name one of these with `--column`: "
            f"{listed(table.columns)}."
        )
    return name


def _target_column(table: Table, name: str | None, release: LoadedRelease) -> str | None:
    """Return the column of targets, None where the release labels whole texts."""
    if not reads_targets(release.task):
        if name is not None:
            raise UsageError(
                f"{release.name} labels texts as a whole (task {release.task}). Leave out `--target-column`."
            )
        return None
    column = TARGET if name is None else name
    if column not in table.columns:
        raise UsageError(
            f"{release.name} labels a target in each text, and {table.where} has no column {column!r}. "
            f"Name one of these with `--target-column`: {listed(table.columns)}."
        )
    return column


def _check_names(table: Table, added: Sequence[str], prefix: str) -> None:
    taken = [name for name in added if name in table.columns]
    if taken:
        raise UsageError(
            f"{table.where} has the column {listed(taken)} already, which a prediction would replace. "
            f"Add `--prefix {prefix}predicted_`, which comes before the name of each added column."
        )


def _groups(
    table: Table, column: str, target: str | None
) -> Iterator[tuple[tuple[Any, list[str | None]], list[str]]]:
    for batch in table.batches():
        texts = _filled(batch, column)
        if target is not None:
            pairs = zip(texts, _filled(batch, target), strict=True)
            texts = [with_target(text, said) if text and said else None for text, said in pairs]
        yield (batch, texts), [text for text in texts if text is not None]


def _filled(batch: "RecordBatch", column: str) -> list[str | None]:
    return [text if text and text.strip() else None for text in column_texts(batch, column)]


def _rows(
    texts: Sequence[str | None], predictions: "Predictions", labels: Sequence[str]
) -> list[Prediction | None]:
    predicted = iter(range(len(predictions.labels)))
    return [
        None if text is None else prediction_of(predictions, next(predicted), labels=labels) for text in texts
    ]


def _added_columns(release: LoadedRelease, out: Path) -> dict[str, type]:
    """Return the names and types of the added columns; only JSON has lists of labels or of entities."""
    probabilities = {f"{PROBABILITY}{label}": float for label in release.labels}
    head = {"label": str, "best": str, "uncertain": bool, "cut": bool}
    items = items_name(release.task)
    if release.is_written and items:
        return {**head, items: str, "release": str, "data_version": str}
    lists: dict[str, type] = {items: list} if items and require_format(out).kind == "jsonl" else {}
    return {**head, **lists, **probabilities, "release": str, "data_version": str}


def _values(
    rows: Sequence[Prediction | None],
    texts: Sequence[str | None],
    release: LoadedRelease,
    columns: Mapping[str, type],
) -> list[list[Any]]:
    """Return the values of the added columns; a row without a prediction names no release either."""
    found = []
    for row, text in zip(rows, texts, strict=True):
        values: dict[str, Any] = {}
        if row is not None:
            probabilities = {f"{PROBABILITY}{label}": one for label, one in row.probabilities.items()}
            items = items_of(row.best, text or "", release.task)
            written = {
                name: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
                for name, one in items.items()
            }
            origin = {"release": release.name, "data_version": release.data_version}
            values = {**vars(row), **written, **probabilities, **origin}
        found.append([values.get(name) for name in columns])
    return [list(column) for column in zip(*found, strict=True)]
