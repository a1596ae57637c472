"""Clean: make texts plain, and set aside with a reason what cannot be used."""

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
    """Make texts plain, and set aside with a reason what cannot be used; nothing is lost uncounted."""
    files.verified_receipt(raw, made_by="collect")
    cleaned, changes = _cleaned(parquet.read_texts(raw / TEXTS))
    reasons = [faults.find_fault(record, cfg, labels) for record in cleaned]
    sound = [place for place, reason in enumerate(reasons) if reason is None]
    for place, reason in zip(
        sound, duplicates.find_duplicates([cleaned[place] for place in sound]), strict=True
    ):
        reasons[place] = reason
    kept = [record for record, reason in zip(cleaned, reasons, strict=True) if reason is None]
    aside = [(record, reason) for record, reason in zip(cleaned, reasons, strict=True) if reason is not None]
    assert len(kept) + len(aside) == len(cleaned)
    counts = {"in": len(cleaned), "kept": len(kept), "quarantined": len(aside)}
    counts |= {f"rule/{name}": changes[name] for name, _ in rules.RULES}
    counts |= counts_by("reason", (reason for _, reason in aside))
    # A benchmark's own split must not shrink unseen.
    counts |= counts_by("own split", (f"{record.split}/{reason}" for record, reason in aside if record.split))
    with files.staging_dir(out) as staging:
        parquet.write_texts(staging / TEXTS, kept)
        _write_quarantine(staging / QUARANTINE, aside)
        logs.get("clean").info("texts.cleaned", kept=len(kept), quarantined=len(aside))
        return files.write_receipt(staging, Receipt("clean", counts=counts))


def _cleaned(found: Sequence[TextRecord]) -> tuple[list[TextRecord], Counter[str]]:
    cleaned, changes = [], Counter[str]()
    for record in found:
        text, changed = rules.clean_text(record.text)
        cleaned.append(dataclasses.replace(record, text=text))
        changes.update(changed)
    return cleaned, changes


def _write_quarantine(path: Path, aside: Sequence[tuple[TextRecord, str]]) -> None:
    columns = {name: [getattr(record, name) for record, _ in aside] for name in parquet.COLUMNS}
    parquet.write_rows(path, {**columns, "reason": [reason for _, reason in aside]})


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return clean(context.folder("collect"), context.folder("clean"), params.clean, params.collect.labels)
