"""Clean: set aside what cannot be used, with a reason, and account for every row that was read."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import CleanConfig
from pipeline.base.data_account import ACCOUNT, DUPLICATE, DataAccount, under
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, TextRecord, counts_by
from pipeline.core.clean import duplicates, faults, rules
from pipeline.core.clean.losses import LostRows, losses_above_limit
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import PREPARATION
from pipeline.io import files, parquet
from pipeline.io.corrections import CORRECTIONS, corrections_path, read_corrections, write_corrections
from pipeline.stages import collect
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

QUARANTINE = "quarantine.parquet"
# So many unknown labels are counted one by one.
UNKNOWN_LABELS = 50
Reasons = Sequence[str | None]


def clean(
    raw: Path,
    out: Path,
    cfg: CleanConfig,
    labels: Sequence[str],
    *,
    corrections: Mapping[str, str] | None = None,
) -> Receipt:
    """Quarantine the unusable texts; the receipt counts every rule and reason, and notes the account.

    `corrections` are labels by id that a person corrected: they take the place of those collected, and are
    kept beside the texts. Ids that were not collected are counted.

    Raises DataRejected, and writes nothing, where more rows are lost than `cfg.max_loss` allows.
    """
    raw_receipt = files.verified_receipt(raw, made_by="collect")
    records, corrected = _corrected(parquet.read_texts(raw / TEXTS), corrections or {})
    reasons = _reasons(records, cfg, labels)
    kept = [record for record, reason in zip(records, reasons, strict=True) if reason is None]
    quarantined = [
        (record, reason) for record, reason in zip(records, reasons, strict=True) if reason is not None
    ]
    lost = LostRows(
        labels, under_notes("aspects", raw_receipt), collect.read_unreadable(raw / collect.UNREADABLE)
    )
    for record, reason in quarantined:
        lost.add(record, reason)
    account = dataclasses.replace(_account(raw_receipt, len(kept), quarantined, lost), corrected=corrected)
    if paragraphs := losses_above_limit(account, cfg.max_loss, lost):
        raise DataRejected("Too many rows would be lost.\n" + "\n".join(paragraphs))
    counts = {"in": len(records)} | _counts(account, quarantined)
    if corrections:
        counts |= {"corrected": corrected, "unknown corrections": len(corrections) - corrected}
    notes = {ACCOUNT: account.to_json(), PREPARATION: raw_receipt.notes[PREPARATION]}
    notes |= {f"example/{name}": one for name, one in under_notes("example", raw_receipt).items()}
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, kept)
        parquet.write_rejected(staging / QUARANTINE, quarantined)
        if corrections:
            write_corrections(staging / CORRECTIONS, corrections)
        logs.get("clean").info(
            "texts.cleaned", kept=len(kept), quarantined=len(quarantined), unreadable=account.unreadable
        )
        return files.write_receipt(staging, Receipt("clean", counts=counts, notes=notes))


def _corrected(records: Sequence[TextRecord], corrections: Mapping[str, str]) -> tuple[list[TextRecord], int]:
    """Return the records with their corrected labels, and how many have one."""
    corrected = [
        dataclasses.replace(record, label=corrections[record.id], more_labels="")
        if record.id in corrections
        else record
        for record in records
    ]
    return corrected, sum(record.id in corrections for record in records)


def _counts(account: DataAccount, quarantined: Sequence[tuple[TextRecord, str]]) -> dict[str, int]:
    return {
        "kept": account.kept,
        "quarantined": len(quarantined),
        "unreadable": account.unreadable,
        **{f"rule/{name}": account.changed.get(name, 0) for name, _ in rules.RULES},
        **{f"masked/{kind}": number for kind, number in sorted(account.masked.items())},
        **counts_by("reason", (reason for _, reason in quarantined)),
        # A benchmark's own split must not shrink unnoticed.
        **counts_by(
            "own split", (f"{record.split}/{reason}" for record, reason in quarantined if record.split)
        ),
    }


def _reasons(records: Sequence[TextRecord], cfg: CleanConfig, labels: Sequence[str]) -> list[str | None]:
    """Return for each record why it is set aside, or None."""
    reasons = [faults.find_fault(record, cfg, labels) for record in records]
    usable = [index for index, reason in enumerate(reasons) if reason is None]
    found = duplicates.find_duplicates([records[index] for index in usable])
    for index, reason in zip(usable, found, strict=True):
        reasons[index] = reason
    return reasons


def _account(
    raw: Receipt, kept: int, quarantined: Sequence[tuple[TextRecord, str]], lost: LostRows
) -> DataAccount:
    set_aside = counts_by("reason", (reason for _, reason in quarantined if reason != DUPLICATE))
    unknown = {
        mask_pii(label)[0]: number for label, number in lost.unknown_labels.most_common(UNKNOWN_LABELS)
    }
    account = DataAccount(
        read=raw.counts["read"],
        kept=kept,
        duplicates=sum(reason == DUPLICATE for _, reason in quarantined),
        unreadable=raw.counts["unreadable"],
        set_aside=under("reason", set_aside),
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
    assert account.read == kept + len(quarantined) + account.unreadable + account.forgotten
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
    )
