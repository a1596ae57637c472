"""Clean: set aside what cannot be used, with a reason, and account for every row that was read."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.base import logs
from pipeline.base.config import CleanConfig
from pipeline.base.data_account import (
    ACCOUNT,
    CONFLICT,
    DUPLICATE,
    NO_LABEL,
    NO_TARGET,
    NO_TEXT,
    PLACEHOLDER,
    SEVERAL_LABELS,
    TOO_LONG,
    TOO_SHORT,
    UNKNOWN_LABEL,
    DataAccount,
    under,
)
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.core.clean.duplicates import DuplicateSearch
from pipeline.core.clean.faults import UsableTexts
from pipeline.core.clean.losses import LISTED, LostRows, losses_above_limit
from pipeline.core.clean.rules import RULES
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import PREPARATION
from pipeline.io import files, parquet
from pipeline.io.corrections import CORRECTIONS, corrections_path, read_corrections, write_corrections
from pipeline.io.streams.tables import TableWriter, read_batches, records_of, rows_where, with_values
from pipeline.io.streams.unreadable import UNREADABLE, first_unreadable
from pipeline.io.streams.worker_pool import Batching
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    import pyarrow

    from pipeline.stages.context import StageContext

QUARANTINE = "quarantine.parquet"
# So many unknown labels are counted one by one.
UNKNOWN_LABELS = 50
REASONS = (
    NO_TEXT, PLACEHOLDER, NO_LABEL, UNKNOWN_LABEL, SEVERAL_LABELS, TOO_SHORT, TOO_LONG, DUPLICATE, CONFLICT,
    NO_TARGET,
)  # fmt: skip


def clean(
    raw: Path,
    out: Path,
    cfg: CleanConfig,
    labels: Sequence[str],
    *,
    corrections: Mapping[str, str] | None = None,
    batching: Batching | None = None,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Quarantine the unusable texts; the receipt counts every rule and reason, and notes the account.

    The label of a text that is kept is its answer in `task`.
    `corrections` are labels by id that a person corrected: they take the place of those collected, and are
    kept beside the texts. Ids that were not collected are counted. Texts are read twice, in batches.

    Raises DataRejected, and writes nothing, where more rows are lost than `cfg.max_loss` allows.
    """
    corrections, batching = corrections or {}, batching or Batching()
    raw_receipt = files.verified_receipt(raw, made_by="collect")
    reasons = _reasons(raw / TEXTS, UsableTexts(cfg, frozenset(labels), task), corrections, batching.rows)
    unreadable = first_unreadable(raw / UNREADABLE, LISTED)
    cleaned = Cleaned(LostRows(labels, under_notes("aspects", raw_receipt), unreadable), task)
    with files.staging_dir(out) as staging:
        texts = TableWriter(staging / TEXTS, parquet.COLUMNS)
        rejected = TableWriter(staging / QUARANTINE, (*parquet.COLUMNS, "reason"))
        with texts, rejected:
            start = 0
            for batch in read_batches(raw / TEXTS, batching.rows):
                batch = cleaned.correct(batch, corrections)
                cleaned.divide(batch, reasons[start : start + batch.num_rows], texts, rejected)
                start += batch.num_rows
        account = dataclasses.replace(_account(raw_receipt, texts.rows, cleaned), corrected=cleaned.corrected)
        if paragraphs := losses_above_limit(account, cfg.max_loss, cleaned.lost):
            raise DataRejected("Too many rows would be lost.\n" + "\n".join(paragraphs))
        counts = {"in": start} | _counts(account, cleaned, len(corrections))
        if corrections:
            write_corrections(staging / CORRECTIONS, corrections)
        notes = {ACCOUNT: account.to_json(), PREPARATION: raw_receipt.notes[PREPARATION]}
        notes |= {f"example/{name}": one for name, one in under_notes("example", raw_receipt).items()}
        logs.get("clean").info(
            "texts.cleaned", kept=texts.rows, quarantined=rejected.rows, unreadable=account.unreadable
        )
        return files.write_receipt(staging, Receipt("clean", counts=counts, notes=notes))


@dataclass
class Cleaned:
    """Divide the texts, and count those that are set aside."""

    lost: LostRows
    task: TaskName
    corrected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    own_split: Counter[str] = field(default_factory=Counter)

    def correct(self, batch: "pyarrow.RecordBatch", corrections: Mapping[str, str]) -> "pyarrow.RecordBatch":
        """Put the corrected labels in the place of those collected."""
        corrected, number = _with_corrections(batch, corrections)
        self.corrected += number
        return corrected

    def divide(
        self,
        batch: "pyarrow.RecordBatch",
        reasons: NDArray[np.uint8],
        texts: TableWriter,
        rejected: TableWriter,
    ) -> None:
        """Write each text to one of two tables."""
        kept = reasons == 0
        texts.add(self._answered(rows_where(batch, kept)))
        aside = rows_where(batch, ~kept)
        why = [REASONS[number - 1] for number in reasons[~kept].tolist()]
        for record, reason in zip(records_of(aside), why, strict=True):
            self.lost.add(record, reason)
            if record.split:
                self.own_split[f"{record.split}/{reason}"] += 1
        self.reasons.update(why)
        rejected.add(with_values(aside, reason=why))

    def _answered(self, batch: "pyarrow.RecordBatch") -> "pyarrow.RecordBatch":
        labels, more = batch["label"].to_pylist(), batch["more_labels"].to_pylist()
        form, known = answer_form(self.task), self.lost.labels
        answers = [form.answer(*one, known) for one in zip(labels, more, strict=True)]
        return batch if answers == labels else with_values(batch, label=answers, more_labels=[""] * len(more))


def _with_corrections(
    batch: "pyarrow.RecordBatch", corrections: Mapping[str, str]
) -> tuple["pyarrow.RecordBatch", int]:
    ids = batch["id"].to_pylist() if corrections else []
    places = [place for place, one in enumerate(ids) if one in corrections]
    if not places:
        return batch, 0
    labels, more = batch["label"].to_pylist(), batch["more_labels"].to_pylist()
    for place in places:
        labels[place], more[place] = corrections[ids[place]], ""
    return with_values(batch, label=labels, more_labels=more), len(places)


def _counts(account: DataAccount, cleaned: Cleaned, corrections: int) -> dict[str, int]:
    unknown = corrections - cleaned.corrected
    corrected = {"corrected": cleaned.corrected, "unknown corrections": unknown} if corrections else {}
    return {
        "kept": account.kept,
        "quarantined": cleaned.reasons.total(),
        "unreadable": account.unreadable,
        **{f"rule/{name}": account.changed.get(name, 0) for name, _ in RULES},
        **{f"masked/{kind}": number for kind, number in sorted(account.masked.items())},
        **{f"reason/{reason}": number for reason, number in sorted(cleaned.reasons.items())},
        # A benchmark's own split must not shrink unnoticed.
        **{f"own split/{name}": number for name, number in sorted(cleaned.own_split.items())},
        **corrected,
    }


def _reasons(path: Path, rules: UsableTexts, corrections: Mapping[str, str], rows: int) -> NDArray[np.uint8]:
    """Return for each text why it is set aside: 0 if it is not, else the place in REASONS, from 1."""
    numbers = {reason: number for number, reason in enumerate(REASONS, start=1)}
    search = DuplicateSearch()
    found: list[NDArray[np.uint8]] = [np.zeros(0, dtype=np.uint8)]
    for batch in read_batches(path, rows, ("id", "text", "label", "more_labels", "split")):
        _, texts, *others, splits = _with_corrections(batch, corrections)[0].to_pydict().values()
        found_in = (rules.fault(*one) for one in zip(texts, *others, strict=True))
        faults = np.fromiter((numbers[one] if one else 0 for one in found_in), np.uint8, len(texts))
        found.append(faults)
        places = np.flatnonzero(faults == 0).tolist()
        labels = list(map("".join, zip(*others, strict=True)))
        copies = list(map(rules.compared, texts, labels))
        search.add(*([column[place] for place in places] for column in (copies, labels, splits)))
    reasons = np.concatenate(found)
    usable = np.flatnonzero(reasons == 0)
    for row, reason in search.found():
        reasons[usable[row]] = numbers[reason]
    return reasons


def _account(raw: Receipt, kept: int, cleaned: Cleaned) -> DataAccount:
    unknown = {
        mask_pii(label)[0]: number
        for label, number in cleaned.lost.unknown_labels.most_common(UNKNOWN_LABELS)
    }
    account = DataAccount(
        read=raw.counts["read"],
        kept=kept,
        duplicates=cleaned.reasons[DUPLICATE],
        unreadable=raw.counts["unreadable"],
        set_aside={name: n for name, n in sorted(cleaned.reasons.items()) if name != DUPLICATE},
        unknown_labels=unknown,
        labels_read=under("read as", raw.counts),
        changed=under("rule", raw.counts),
        masked=under("masked", raw.counts),
        forgotten=raw.counts.get("forgotten", 0),
        remarks=tuple(f"source {name}: {sentence}" for name, sentence in under_notes("remark", raw).items())
        + tuple(
            f"source {name} is a table of aspects (column {column!r})"
            for name, column in under_notes("aspects", raw).items()
        ),
    )
    assert account.read == kept + cleaned.reasons.total() + account.unreadable + account.forgotten
    return account


def under_notes(prefix: str, receipt: Receipt) -> dict[str, str]:
    """Return the notes of a receipt under `prefix/`, by the rest of their names."""
    start = f"{prefix}/"
    return {n.removeprefix(start): note for n, note in receipt.notes.items() if n.startswith(start)}


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return clean(
        context.folder("collect"),
        context.folder("clean"),
        params.clean,
        params.collect.labels,
        corrections=read_corrections(corrections_path(context.workspace.root)),
        batching=context.batching,
        task=params.task,
    )
