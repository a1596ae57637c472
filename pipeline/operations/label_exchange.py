"""Take the texts that wait for labels out to a labelling tool, and its labels back in."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.base.documents.audit import LabelOrigin, Opinion
from pipeline.base.errors import UsageError
from pipeline.base.tasks import AnswerForm, answer_form
from pipeline.base.tasks.spans import dump_spans, placed
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.io.tables.label_files import LabelRow, LabelTask, RefusedRow, Shape, read_labels, write_tasks
from pipeline.monitoring.audit.forms import read_answer
from pipeline.monitoring.audit_labels import AuditStatus, audit_status
from pipeline.monitoring.windows.labelled import batches

ORIGINS = get_args(LabelOrigin)
BATCH = 500
LISTED = 20  # refused lines that are named


@dataclass
class LabelImport:
    """Count what an import did with the labels of a file.

    `labels` are the known ones. `unchanged` were there already, `different` is another label by the same
    person, which was not taken. `not_drawn` counts labels for predictions that were never drawn or are past
    the retention. `refused` names rows by their number: a line, or in .json an entry, as `unit` says.
    """

    imported: int = 0
    unchanged: int = 0
    different: int = 0
    not_drawn: int = 0
    by_model: int = 0
    labels: tuple[str, ...] = ()
    unit: str = "line"
    unknown_labels: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        """Say what was imported, what was not, and what to do about it."""
        yield f"Imported: {self.imported:,} labels. There already: {self.unchanged:,}."
        if self.by_model:
            yield f"Given by a model, which train at most and are no audit labels: {self.by_model:,}."
        if self.different:
            yield (
                f"Not taken, since the same person gave another label before: {self.different:,}. "
                "Add --replace to take these."
            )
        if self.not_drawn:
            yield (
                "Kept out, since their predictions were never drawn or are past the retention: "
                f"{self.not_drawn:,}."
            )
        if self.unknown_labels:
            counts = self.unknown_labels.most_common(LISTED)
            listed = ", ".join(f"{name!r} {count:,}" for name, count in counts)
            yield f"Unknown labels: {listed}. Labels are {', '.join(self.labels)}."
        for number, reason in self.refused[:LISTED]:
            yield f"Refused, {self.unit} {number}: {reason}."
        if len(self.refused) > LISTED:
            yield f"Refused rows not shown: {len(self.refused) - LISTED:,}."


def label_status(workspace: Workspace) -> AuditStatus:
    """Say how far the labelling is, for each topic."""
    return audit_status(workspace, load_params(workspace.params))


def export_queue(
    workspace: Workspace,
    out: Path,
    *,
    shape: Shape | None,
    topic: str,
    annotator: str,
    replace: bool,
) -> int:
    """Write the texts that wait for labels to a file, and return their number; 0 writes none.

    Where the journal stores no texts they are empty, and the client's own ids name them. Raises UsageError
    for a file that exists unless `replace`, and for a suffix that is no format.
    """
    if out.exists() and not replace:
        raise UsageError(f"{out} exists. Name another file, or add --force.")
    journal = Journal.reading(workspace.journal)

    def tasks() -> Iterator[LabelTask]:
        for batch in batches(AuditQueue(workspace.journal).waiting(annotator, topic=topic), BATCH):
            entries = journal.find_all((one.request, one.position) for one in batch)
            for one in batch:
                if entry := entries.get((one.request, one.position)):
                    place = (one.request, one.position, one.text_id, one.time, one.topic)
                    yield LabelTask(*place, text=entry.text)

    return write_tasks(out, tasks(), shape)


def import_labels(workspace: Workspace, path: Path, *, annotator: str, replace: bool) -> LabelImport:
    """Store the labels of a file; the same file twice changes nothing.

    `annotator` gave those that name nobody. Raises what `read_labels` raises.
    """
    params = load_params(workspace.params)
    form, labels = answer_form(params.task), params.collect.labels
    queue, result = (
        AuditQueue(workspace.journal),
        LabelImport(labels=labels, unit="entry" if path.suffix.lower() == ".json" else "line"),
    )
    now = times.format_micros(datetime.now(UTC))
    for rows in batches(read_labels(path, form), BATCH):
        texts = _texts(workspace, rows) if form.has_places else {}
        opinions = []
        for row in rows:
            answer = _answer(row, form, texts, result)
            if answer is None:
                continue
            assert isinstance(row, LabelRow)
            if (drawn := queue.drawn(row.request, row.position)) is None:
                result.not_drawn += 1
                continue
            origin: LabelOrigin = row.origin or "audit"  # type: ignore[assignment]
            opinions.append(Opinion(drawn.cluster, row.annotator or annotator, answer, now, origin))
        _store(queue, opinions, result, replace=replace)
    return result


def _texts(workspace: Workspace, rows: Sequence[LabelRow | RefusedRow]) -> dict[tuple[str, int], str]:
    keys = [(row.request, row.position) for row in rows if isinstance(row, LabelRow)]
    entries = Journal.reading(workspace.journal).find_all(keys)
    return {key: entry.text for key, entry in entries.items()}


def _answer(
    row: LabelRow | RefusedRow, form: AnswerForm, texts: Mapping[tuple[str, int], str], result: LabelImport
) -> str | None:
    """Return the answer of a row as it is stored; None where it is refused, and say why."""
    if isinstance(row, RefusedRow):
        result.refused.append((row.line, row.reason))
        return None
    text, written = texts.get((row.request, row.position)), row.label
    if form.has_places:
        if text is None:
            result.not_drawn += 1
            return None
        moved = [placed(one.span, one.text, text) for one in row.spans]
        if None in moved:
            result.refused.append((row.line, "an entity shows another text than the stored one has there"))
            return None
        written = dump_spans(span for span in moved if span)
    try:
        answer = read_answer(form, written, result.labels, text or "")
    except UsageError as error:
        if not form.has_places:
            result.unknown_labels[row.label[:80]] += 1
        reason = str(error).removesuffix(" Nothing was stored.").removesuffix(".")
        result.refused.append((row.line, reason if form.has_places else f"{row.label[:80]!r} is no label"))
        return None
    if row.origin and row.origin not in ORIGINS:
        result.refused.append((row.line, f"origin {row.origin[:80]!r} is none of {', '.join(ORIGINS)}"))
        return None
    return answer


def _store(queue: AuditQueue, opinions: list[Opinion], result: LabelImport, *, replace: bool) -> None:
    for opinion, (counted, changed) in zip(
        opinions, queue.add_opinions(opinions, replace=replace), strict=True
    ):
        if changed:
            result.imported += 1
            result.by_model += opinion.origin == "model"
        elif counted == opinion.label:
            result.unchanged += 1
        else:
            result.different += 1
