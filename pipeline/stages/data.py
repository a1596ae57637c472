"""The stages of the data: collect, clean, validate, split. Each goes from folders to a folder and leaves a receipt."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import CleanConfig, CollectConfig, SplitConfig, ValidateConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt, Record
from pipeline.core import split as sides
from pipeline.core.clean import duplicates, faults, rules
from pipeline.core.validate import expectations, leakage
from pipeline.io import files, parquet
from pipeline.io.sources import identity, readers
from pipeline.io.sources import rows as records

TEXTS = "texts.parquet"
QUARANTINE = "quarantine.parquet"
CHECKS = "checks.json"


def collect(root: Path, downloads: Path, out: Path, cfg: CollectConfig, *, past: Sequence[Record] = ()) -> Receipt:
    """Read every source into one table of records, and add those of the past that come from none."""
    found: list[Record] = []
    notes = {}
    for source in cfg.sources:
        rows = readers.read_rows(source, root=root, downloads=downloads, max_bytes=cfg.max_megabytes * 1_000_000)
        found += records.to_records(rows, source, cfg.labels)
        notes[f"source/{source.name}"] = identity.source_identity(source, root)
    found += past
    counts = {"out": len(found), **_counted("source", (r.source for r in found)), **_counted("label", (r.label for r in found))}
    with files.whole(out) as desk:
        parquet.write_texts(desk / TEXTS, found)
        logs.get("data").info("collected", texts=len(found), sources=len(cfg.sources))
        return files.write_receipt(desk, Receipt("collect", counts=counts, notes=notes))


def clean(raw: Path, out: Path, cfg: CleanConfig, labels: Sequence[str]) -> Receipt:
    """Make texts plain, and set aside with a reason what cannot be used; nothing is lost uncounted."""
    files.trusted(raw, made_by="collect")
    cleaned, changes = _cleaned(parquet.read_texts(raw / TEXTS))
    reasons = [faults.fault(record, cfg, labels) for record in cleaned]
    sound = [place for place, reason in enumerate(reasons) if reason is None]
    for place, reason in zip(sound, duplicates.duplicates([cleaned[place] for place in sound]), strict=True):
        reasons[place] = reason
    kept = [record for record, reason in zip(cleaned, reasons, strict=True) if reason is None]
    aside = [(record, reason) for record, reason in zip(cleaned, reasons, strict=True) if reason is not None]
    assert len(kept) + len(aside) == len(cleaned)
    counts = {"in": len(cleaned), "kept": len(kept), "quarantined": len(aside)}
    counts |= {f"rule/{name}": changes[name] for name, _ in rules.RULES}
    counts |= _counted("reason", (reason for _, reason in aside))
    # A benchmark's own split must not shrink unseen.
    counts |= _counted("own split", (f"{record.split}/{reason}" for record, reason in aside if record.split))
    with files.whole(out) as desk:
        parquet.write_texts(desk / TEXTS, kept)
        _write_quarantine(desk / QUARANTINE, aside)
        logs.get("data").info("cleaned", kept=len(kept), quarantined=len(aside))
        return files.write_receipt(desk, Receipt("clean", counts=counts))


def validate(clean: Path, out: Path, cfg: ValidateConfig, labels: Sequence[str]) -> Receipt:
    """Judge the cleaned texts by the suite.

    Raises DataRejected that lists every check that failed, and then leaves `out` as it was.
    """
    files.trusted(clean, made_by="clean")
    kept, reasons = parquet.read_texts(clean / TEXTS), parquet.read_rows(clean / QUARANTINE)["reason"]
    checks = expectations.check(kept, reasons, cfg, labels)
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        raise DataRejected(
            f"The texts in {clean} may not be used; {len(failed)} of {len(checks)} checks failed:\n"
            + "\n".join(f"  {sentence}" for sentence in failed)
            + f"\nLook at {clean / QUARANTINE}, mend the sources, or change the limits under `validate` in params.yaml."
        )
    with files.whole(out) as desk:
        files.write_json(desk / CHECKS, [dataclasses.asdict(check) for check in checks])
        logs.get("data").info("validated", checks=len(checks))
        figures = {check.name: check.found for check in checks}
        return files.write_receipt(desk, Receipt("validate", counts={"checks": len(checks), "texts": len(kept)}, figures=figures))


def split(clean: Path, validation: Path, out: Path, cfg: SplitConfig) -> Receipt:
    """Deal the validated texts to train, valid and test.

    Raises DataRejected when a side is unusable or anything stands on two sides.
    """
    files.trusted(validation, made_by="validate")
    files.trusted(clean, made_by="clean")
    texts = parquet.read_texts(clean / TEXTS)
    dealt = sides.split(texts, cfg, sorted({record.label for record in texts}))
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
            counts |= _counted(f"{side}/{what}", (getattr(record, what) for record in part))
    with files.whole(out) as desk:
        for side, part in dealt.items():
            parquet.write_texts(desk / f"{side}.parquet", part)
        notes = {"fingerprint": parquet.fingerprint((side, record) for side, part in dealt.items() for record in part)}
        logs.get("data").info("split", **{side: len(part) for side, part in dealt.items()})
        return files.write_receipt(desk, Receipt("split", counts=counts, notes=notes))


def _cleaned(found: Sequence[Record]) -> tuple[list[Record], Counter[str]]:
    cleaned, changes = [], Counter[str]()
    for record in found:
        text, changed = rules.clean(record.text)
        cleaned.append(dataclasses.replace(record, text=text))
        changes.update(changed)
    return cleaned, changes


def _write_quarantine(path: Path, aside: Sequence[tuple[Record, str]]) -> None:
    columns = {name: [getattr(record, name) for record, _ in aside] for name in parquet.COLUMNS}
    parquet.write_rows(path, {**columns, "reason": [reason for _, reason in aside]})


def _counted(what: str, values: Iterable[str]) -> dict[str, int]:
    return {f"{what}/{value}": number for value, number in sorted(Counter(values).items())}
