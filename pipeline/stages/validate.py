"""Validate: check the cleaned texts by the Great Expectations suite."""

import csv
import dataclasses
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import ValidateConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import Receipt
from pipeline.base.spreadsheet import inert
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.core.clean.language import classify_languages
from pipeline.core.validate import expectations
from pipeline.core.validate.changes import find_changes, stopping
from pipeline.core.validate.findings import Finding, find_oddities
from pipeline.core.validate.label_quality import LikelyWrong, find_likely_wrong
from pipeline.core.validate.measured_texts import (
    MEASURED,
    GatheredMeasures,
    MeasuredTexts,
    RowMeasures,
    drawn_rows,
    measure_rows,
)
from pipeline.io import files, parquet
from pipeline.io.streams.clean_change import measure_change
from pipeline.io.streams.tables import RecordTable, RejectedTable, read_batches
from pipeline.io.streams.worker_pool import Batching, compute_beside, map_in_order
from pipeline.io.versioning.version_before import exported_before
from pipeline.stages.clean import QUARANTINE
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    import pyarrow

    from pipeline.stages.context import StageContext

CHECKS, FINDINGS = "checks.json", "findings.json"
LIKELY_WRONG = "likely_wrong.csv"
# Of so many texts a process detects the languages before it gets the next ones; a fifth of them by this one
# is as quick as to start another.
LANGUAGES_AT_ONCE, LANGUAGES_ALONE = 500, 2_000


def validate(
    clean: Path,
    out: Path,
    cfg: ValidateConfig,
    labels: Sequence[str],
    *,
    before: tuple[str, Path] | None = None,
    batching: Batching | None = None,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Check the cleaned texts by the suite, and compare them with those of the data version `before`.

    Raises DataRejected with every failed check; `out` then stays as it was.
    """
    cleaned = files.verified_receipt(clean, made_by="clean")
    batching = batching or Batching()
    kept = _measure(clean / TEXTS, cfg, batching)
    reasons = (reason for (reason,) in parquet.stream_rows(clean / QUARANTINE, "reason"))
    # Confident learning knows labels that exclude each other alone; without labels it finds nothing.
    exclusive = labels if answer_form(task).one_label else ()
    find = functools.partial(find_likely_wrong, labels=exclusive, sample_texts=cfg.sample_texts)
    sample = list(kept.sample.values())
    with compute_beside(find, sample, batching, rows=len(sample)) as likely_wrong_labels:
        checks = expectations.check(kept, reasons, cfg, labels, task)
        _refuse_failed(checks, clean)
        changes = _changes(before, clean, cfg)
        likely_wrong = likely_wrong_labels()
    odd = find_oddities(kept, RejectedTable(clean / QUARANTINE), cfg)
    found = [*changes, *_changed_texts(cleaned), *odd, *_likely_wrong(likely_wrong, cfg.likely_wrong)]
    log = logs.get("validate")
    if found:
        # One line; ids and never texts.
        log.warning("texts.odd", **{one.kind.replace(" ", "_"): one.figures for one in found})
    counts = {"checks": len(checks), "texts": len(kept), **{f"odd/{one.kind}": one.count for one in found}}
    with files.staging_dir(out) as staging:
        files.write_json(staging / CHECKS, [dataclasses.asdict(check) for check in checks])
        files.write_json(staging / FINDINGS, [dataclasses.asdict(finding) for finding in found])
        files.write_bytes(staging / LIKELY_WRONG, _csv(likely_wrong[: cfg.likely_wrong]).encode())
        log.info("texts.validated", checks=len(checks))
        return files.write_receipt(staging, Receipt("validate", counts=counts, figures=_figures(checks)))


def _refuse_failed(checks: Sequence[expectations.Check], clean: Path) -> None:
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        raise DataRejected(
            f"The texts in {clean} failed validation: {len(failed)} of {len(checks)} checks failed:\n"
            + "\n".join(f"  {sentence}" for sentence in failed)
            + f"\nLook at {clean / QUARANTINE}, correct the sources, "
            "or change the limits under `validate` in params.yaml."
        )


def _measure(path: Path, cfg: ValidateConfig, batching: Batching) -> MeasuredTexts:
    """Measure every text, and detect the languages of a sample, by all cores."""
    gathered, table = GatheredMeasures(), RecordTable(path)
    batches = ((None, batch) for batch in read_batches(path, batching.rows, MEASURED))
    for _, measures in map_in_order(measure_batch, batches, batching):
        gathered.add(measures)
    measures = gathered.measures()
    rows = drawn_rows(measures.ids_N, cfg.sample_texts)
    sample = dict(zip(rows, table.rows(rows), strict=True))
    texts = [record.text for record in sample.values()]
    some = ((None, texts[at : at + LANGUAGES_AT_ONCE]) for at in range(0, len(texts), LANGUAGES_AT_ONCE))
    alone = min(batching.rows_alone, LANGUAGES_ALONE)
    by_some = dataclasses.replace(batching, rows=LANGUAGES_AT_ONCE, rows_alone=alone)
    languages = [one for _, part in map_in_order(classify_languages, some, by_some) for one in part]
    return MeasuredTexts(
        measures, sample, dict(zip(rows, languages, strict=True)), lambda row: table.rows([row])[0].id
    )


def measure_batch(batch: "pyarrow.RecordBatch") -> RowMeasures:
    """Measure the texts of a batch; it can be called in another process."""
    return measure_rows(batch.to_pydict())


def _figures(checks: Sequence[expectations.Check]) -> dict[str, float]:
    return {check.name: check.found for check in checks}


def _changes(before: tuple[str, Path] | None, clean: Path, cfg: ValidateConfig) -> list[Finding]:
    changes = find_changes(measure_change(*before, clean), cfg.change) if before else []
    if sentences := stopping(changes, cfg.change):
        raise DataRejected(
            "The data changed more since the version before than the limits allow:\n"
            + "\n".join(f"  {sentence}" for sentence in sentences)
            + "\nCorrect the sources; or, if the change is meant, raise its limit under `validate.change` in "
            "params.yaml, or leave its kind out of `validate.change.stop`."
        )
    return changes


CHANGED = {"rule/mojibake": "mojibake", "rule/html": "HTML", "rule/controls": "control characters"}


def _changed_texts(cleaned: Receipt) -> list[Finding]:
    """Return what cleaning changed, as its receipt counts it."""
    found = [_changed(cleaned, kind, [key]) for key, kind in CHANGED.items()]
    masked = _changed(cleaned, "PII masked", [key for key in cleaned.counts if key.startswith("masked/")])
    return [finding for finding in (*found, masked) if finding.count]


def _changed(cleaned: Receipt, kind: str, keys: Sequence[str]) -> Finding:
    examples = [cleaned.notes[f"example/{key}"] for key in keys if f"example/{key}" in cleaned.notes]
    return Finding(kind, sum(cleaned.counts.get(key, 0) for key in keys), next(iter(examples), ""))


def _likely_wrong(found: Sequence[LikelyWrong], listed: int) -> list[Finding]:
    if not found:
        return []
    return [Finding("likely wrong label", len(found), found[0].id, listed=min(listed, len(found)))]


def _csv(found: Sequence[LikelyWrong]) -> str:
    """Return the likely wrong labels as CSV, the likeliest first, without texts; no cell is a formula."""
    names = [field.name for field in dataclasses.fields(LikelyWrong)]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*names, "corrected"])
    for one in found:
        writer.writerow([*(inert(str(getattr(one, name))) for name in names), ""])
    return file.getvalue()


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params, clean = context.params, context.folder("clean")
    with exported_before(context.workspace.root, clean) as before:
        return validate(
            clean,
            context.folder("validate"),
            params.validation,
            params.collect.labels,
            before=before,
            batching=context.batching,
            task=params.task,
        )
