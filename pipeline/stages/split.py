"""Split: divide the validated texts into train, valid and test."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import SplitConfig
from pipeline.base.data_account import ACCOUNT, DataAccount
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, SplitName, TextRecord, counts_by
from pipeline.core import split as splitting
from pipeline.core.privacy.preparation import PREPARATION
from pipeline.core.validate import leakage
from pipeline.io import files, parquet
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext


LEFT_OUT = "left_out.parquet"


def split(
    clean: Path, validation: Path, out: Path, cfg: SplitConfig, *, learnt: Sequence[str] = ()
) -> Receipt:
    """Split the validated texts into train, valid and test.

    `learnt` holds the texts that the champion was trained or selected on: none of them becomes a test text.
    The receipt counts labels, languages and sources by split, texts in none by reason, groups merged for near
    duplicates and texts kept in train, and notes the fingerprint of the split. Raises DataRejected when a
    split is unusable, or an id, text or group is in two of them.
    """
    files.verified_receipt(validation, made_by="validate")
    clean_receipt = files.verified_receipt(clean, made_by="clean")
    texts = parquet.read_texts(clean / TEXTS)
    divided = splitting.split_records(texts, cfg, sorted({record.label for record in texts}), learnt)
    splits = divided.texts
    _refuse_leaks(splits)
    counts = {
        "merged groups": divided.merged_groups,
        "kept in train": divided.kept_in_train,
        **counts_by("left out", (reason for _, reason in divided.left_out)),
        **{f"dealt/{source}/{side}": number for (source, side), number in sorted(divided.dealt.items())},
    }
    for name, records in splits.items():
        counts[name] = len(records)
        for field in ("label", "lang", "source"):
            counts |= counts_by(f"{name}/{field}", (getattr(record, field) for record in records))
    with files.staging_dir(out) as staging:
        for name, records in splits.items():
            parquet.write_texts(staging / f"{name}.parquet", records)
        rows = ((name, record) for name, records in splits.items() for record in records)
        notes = {"fingerprint": parquet.split_fingerprint(rows), **_notes(clean_receipt, divided)}
        parquet.write_rejected(staging / LEFT_OUT, divided.left_out)
        sizes = {name: len(records) for name, records in splits.items()}
        logs.get("split").info(
            "texts.split",
            **sizes,
            left_out=len(divided.left_out),
            merged_groups=divided.merged_groups,
            kept_in_train=divided.kept_in_train,
        )
        return files.write_receipt(staging, Receipt("split", counts=counts, notes=notes))


def _refuse_leaks(splits: Mapping[SplitName, list[TextRecord]]) -> None:
    if found := leakage.leaks(splits):
        raise DataRejected(
            "The splits leak into each other:\n"
            + "\n".join(f"  {leak}" for leak in found)
            + "\nGive such texts one `group`, or correct the source's own split column; "
            "without that column (`columns.split: null`) whole groups are split by hash."
        )


def _notes(clean: Receipt, divided: splitting.Split) -> dict[str, str]:
    """Return the notes that travel with the data: how texts are prepared, and the account of all rows."""
    notes = {name: clean.notes[name] for name in (PREPARATION,) if name in clean.notes}
    account = DataAccount.of_notes(clean.notes)
    if account is None:
        return notes
    remarks = tuple(
        f"source {source} brings no {side} split: {number:,} of its train texts are dealt there by hash"
        for (source, side), number in sorted(divided.dealt.items())
    )
    account = dataclasses.replace(
        account,
        near_duplicates=divided.near_duplicates,
        left_out=len(divided.left_out),
        remarks=account.remarks + remarks,
    )
    return {**notes, ACCOUNT: account.to_json()}


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    from pipeline.io.learnt_texts import read_learnt_texts

    return split(
        context.folder("clean"),
        context.folder("validate"),
        context.folder("split"),
        context.params.split,
        learnt=read_learnt_texts(context.workspace),
    )
