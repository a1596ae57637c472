"""Clean: apply the cleaning rules, and quarantine what cannot be used, with a reason."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import CleanConfig
from pipeline.base.records import Receipt, TextRecord, counts_by
from pipeline.core.clean import duplicates, faults, rules
from pipeline.io import files, parquet
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    from pipeline.stages.context import StageContext

QUARANTINE = "quarantine.parquet"


def clean(raw: Path, out: Path, cfg: CleanConfig, labels: Sequence[str]) -> Receipt:
    """Clean the collected texts, quarantine the unusable; the receipt counts every rule and reason."""
    files.verified_receipt(raw, made_by="collect")
    cleaned, changes = _clean_texts(parquet.read_texts(raw / TEXTS))
    reasons = [faults.find_fault(record, cfg, labels) for record in cleaned]
    usable = [index for index, reason in enumerate(reasons) if reason is None]
    duplicate_reasons = duplicates.find_duplicates([cleaned[index] for index in usable])
    for index, reason in zip(usable, duplicate_reasons, strict=True):
        reasons[index] = reason
    kept = [record for record, reason in zip(cleaned, reasons, strict=True) if reason is None]
    quarantined = [
        (record, reason) for record, reason in zip(cleaned, reasons, strict=True) if reason is not None
    ]
    assert len(kept) + len(quarantined) == len(cleaned)
    counts = {"in": len(cleaned), "kept": len(kept), "quarantined": len(quarantined)}
    counts |= {f"rule/{name}": changes[name] for name, _ in rules.RULES}
    counts |= counts_by("reason", (reason for _, reason in quarantined))
    # A benchmark's own split must not shrink unnoticed.
    counts |= counts_by(
        "own split", (f"{record.split}/{reason}" for record, reason in quarantined if record.split)
    )
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, kept)
        parquet.write_rejected(staging / QUARANTINE, quarantined)
        logs.get("clean").info("texts.cleaned", kept=len(kept), quarantined=len(quarantined))
        return files.write_receipt(staging, Receipt("clean", counts=counts))


def _clean_texts(records: Sequence[TextRecord]) -> tuple[list[TextRecord], Counter[str]]:
    cleaned, changes = [], Counter[str]()
    for record in records:
        text, rule_names = rules.clean_text(record.text)
        cleaned.append(dataclasses.replace(record, text=text))
        changes.update(rule_names)
    return cleaned, changes


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return clean(context.folder("collect"), context.folder("clean"), params.clean, params.collect.labels)
