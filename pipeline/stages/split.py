"""Split: deal the validated texts to train, valid and test."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, counts_by
from pipeline.core import split as sides
from pipeline.core.validate import leakage
from pipeline.io import files, parquet
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext


def split(clean: Path, validation: Path, out: Path, cfg: SplitConfig) -> Receipt:
    """Deal the validated texts to train, valid and test.

    Raises DataRejected when a side is unusable or anything stands on two sides.
    """
    files.verified_receipt(validation, made_by="validate")
    files.verified_receipt(clean, made_by="clean")
    texts = parquet.read_texts(clean / TEXTS)
    dealt = sides.split_records(texts, cfg, sorted({record.label for record in texts}))
    if found := leakage.leaks(dealt):
        raise DataRejected(
            "The sides of the split know each other:\n"
            + "\n".join(f"  {leak}" for leak in found)
            + "\nGive such texts one `group`, or mend the "
            "source's own split column in the data; without that column (`columns.split: null`) whole groups are dealt by hash."
        )
    counts: dict[str, int] = {}
    for side, part in dealt.items():
        counts[side] = len(part)
        for what in ("label", "lang", "source"):
            counts |= counts_by(f"{side}/{what}", (getattr(record, what) for record in part))
    with files.staging_dir(out) as staging:
        for side, part in dealt.items():
            parquet.write_texts(staging / f"{side}.parquet", part)
        notes = {
            "fingerprint": parquet.split_fingerprint(
                (side, record) for side, part in dealt.items() for record in part
            )
        }
        logs.get("split").info("texts.split", **{side: len(part) for side, part in dealt.items()})
        return files.write_receipt(staging, Receipt("split", counts=counts, notes=notes))


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    return split(
        context.folder("clean"), context.folder("validate"), context.folder("split"), context.params.split
    )
