"""Validate: check the cleaned texts by the Great Expectations suite."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import ValidateConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt
from pipeline.core.validate import expectations
from pipeline.io import files, parquet
from pipeline.stages.clean import QUARANTINE
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

CHECKS = "checks.json"


def validate(clean: Path, out: Path, cfg: ValidateConfig, labels: Sequence[str]) -> Receipt:
    """Check the cleaned texts by the suite.

    Raises DataRejected with every failed check; `out` then stays as it was.
    """
    files.verified_receipt(clean, made_by="clean")
    kept, reasons = parquet.read_texts(clean / TEXTS), parquet.read_rows(clean / QUARANTINE)["reason"]
    checks = expectations.check(kept, reasons, cfg, labels)
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        raise DataRejected(
            f"The texts in {clean} failed validation: {len(failed)} of {len(checks)} checks failed:\n"
            + "\n".join(f"  {sentence}" for sentence in failed)
            + f"\nLook at {clean / QUARANTINE}, correct the sources, "
            "or change the limits under `validate` in params.yaml."
        )
    with files.staging_dir(out) as staging:
        files.write_json(staging / CHECKS, [dataclasses.asdict(check) for check in checks])
        logs.get("validate").info("texts.validated", checks=len(checks))
        figures = {check.name: check.found for check in checks}
        return files.write_receipt(
            staging, Receipt("validate", counts={"checks": len(checks), "texts": len(kept)}, figures=figures)
        )


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return validate(
        context.folder("clean"), context.folder("validate"), params.validation, params.collect.labels
    )
