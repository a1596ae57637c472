"""The report of a data version: one HTML page beside the reports of releases."""

import contextlib
import csv
import dataclasses
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.documents.data_report import DataReport, LikelyWrongExample
from pipeline.base.errors import Fault, TonewatchError
from pipeline.base.records import SPLITS, Receipt
from pipeline.core.clean.words import count_words
from pipeline.core.privacy.preparation import MASKED
from pipeline.io import files, parquet, version_tables
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_branch, version_diff
from pipeline.io.versioning.data_branch import DataVersion
from pipeline.operations.data.cleaning_examples import cleaning_examples
from pipeline.operations.data.periods import periods_of
from pipeline.operations.data_versions import data_card, show_version

CLEAN, VALIDATION, SPLIT_FOLDER = "data/clean", "data/validation", "data/splits"
WORD_BANDS = (1, 9, 17, 33, 65, 129, 257, 513)
LISTED = 20


def write_report(workspace: Workspace, name: str | None, out: Path | None = None) -> Path:
    """Write the page of a data version, by default the newest, and return its path.

    The default place is `.tonewatch/reports/`. Raises NothingToRollBack where there is no version yet,
    UsageError for an unknown one, Fault where its splits can no longer be read.
    """
    from pipeline.report.data.page import data_page

    version = show_version(workspace.root, name)
    page = (out or page_path(workspace, version.name)).resolve()
    files.write_bytes(page, data_page(build_report(workspace, version)).encode("utf-8", "replace"))
    return page


def page_path(workspace: Workspace, name: str) -> Path:
    """Return where the page of a data version is written by default."""
    return workspace.reports / f"data-{name}.html"


def write_run_report(workspace: Workspace, name: str) -> None:
    """Write the page of the version that a run made or used; a page that cannot be written stops no run."""
    try:
        write_report(workspace, name)
    except (TonewatchError, OSError) as error:
        logs.get("versions").warning("data_report.not_written", name=name, reason=str(error))


def build_report(workspace: Workspace, version: DataVersion) -> DataReport:
    """Read a data version, whatever the work tree holds, and describe it."""
    with tempfile.TemporaryDirectory(prefix="tonewatch-report-") as staging:
        folders = {path: Path(staging) / Path(path).name for path in (CLEAN, VALIDATION, SPLIT_FOLDER)}
        for path, folder in folders.items():
            # Of a version of which something was forgotten the splits alone are left.
            with contextlib.nullcontext() if path == SPLIT_FOLDER else contextlib.suppress(Fault):
                data_branch.export_folder(workspace.root, version.name, path, folder)
        report = _described(workspace, version, folders)
    return _compared(workspace.root, report)


def _described(workspace: Workspace, version: DataVersion, folders: Mapping[str, Path]) -> DataReport:
    params, card = load_params(workspace.params), data_card(workspace, version.name)
    clean, validation, splits = (folders[path] for path in (CLEAN, VALIDATION, SPLIT_FOLDER))
    receipt = files.verified_receipt(splits, made_by="split")
    account = DataAccount.of_notes(receipt.notes)
    days, words = version_tables.count_days(splits), _words(splits, params)
    wrong = list(_likely_wrong(validation))
    return DataReport(
        name=version.name,
        created=version.created,
        reason=version.reason,
        fingerprint=version.fingerprint,
        parent=version.parent,
        forgotten=str(card["forgotten"]) if "forgotten" in card else None,
        releases=[str(one) for one in card["releases"]],  # type: ignore[attr-defined]
        splits={split: receipt.counts[split] for split in SPLITS},
        labels=_totals(receipt, "label"),
        languages=_totals(receipt, "lang"),
        sources=version_tables.count_sources(splits),
        account=account.lines() if account else [],
        losses=_losses(account),
        read=account.read if account else 0,
        duplicates=_if_there(clean / "quarantine.parquet", version_tables.count_duplicates),
        words=words,
        max_tokens=params.encoder.max_tokens,
        longer=_cut_texts(words, params),
        times=periods_of({day: counts for day, counts in days.items() if day}),
        untimed=sum(days.get("", {}).values()),
        examples=cleaning_examples(workspace, params, clean),
        likely_wrong=_with_texts(wrong[:LISTED], clean, splits),
        likely_wrong_total=len(wrong),
        findings=_findings(validation),
        change=None,
        change_examples={},
        changed_labels={},
    )


def _cut_texts(words: Mapping[int, int], params: Params) -> int:
    """Return how many texts have more words than the model reads tokens."""
    if params.encoder.long_texts == "windows":
        return 0
    return sum(number for start, number in words.items() if start > params.encoder.max_tokens)


def _compared(root: Path, report: DataReport) -> DataReport:
    if report.parent is None:
        return report
    try:
        diff = version_diff.diff_versions(root, report.parent, report.name)
    except TonewatchError:
        return report
    change = {"unchanged": diff.unchanged, **diff.counts}
    return dataclasses.replace(
        report, change=change, change_examples=diff.examples, changed_labels=diff.labels
    )


def _totals(receipt: Receipt, field: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for name, number in receipt.counts.items():
        split, _, rest = name.partition("/")
        if split in SPLITS and rest.startswith(f"{field}/"):
            totals[rest.partition("/")[2]] += number
    return dict(totals)


def _losses(account: DataAccount | None) -> dict[str, int]:
    if account is None:
        return {}
    others = {
        "duplicate": account.duplicates,
        "unreadable": account.unreadable,
        "forgotten": account.forgotten,
        "in no split": account.left_out,
    }
    return {reason: number for reason, number in {**account.set_aside, **others}.items() if number}


def _words(splits: Path, params: Params) -> dict[int, int]:
    """Count the texts by their number of words, in bands; one band begins beyond `encoder.max_tokens`."""
    starts = sorted({*WORD_BANDS, params.encoder.max_tokens + 1}, reverse=True)
    counts = dict.fromkeys(reversed(starts), 0)
    for split in SPLITS:
        for (text,) in parquet.stream_rows(splits / f"{split}.parquet", "text"):
            number = max(1, count_words(text))
            counts[next(start for start in starts if start <= number)] += 1
    return counts


def _likely_wrong(validation: Path) -> Iterator[LikelyWrongExample]:
    path = validation / "likely_wrong.csv"
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # A quote keeps a spreadsheet from evaluating a cell.
            cells = {name: value.removeprefix("'") for name, value in row.items()}
            yield LikelyWrongExample(
                cells["id"],
                cells["source"],
                cells["label"],
                cells["suggested"],
                float(cells["suggested_probability"]),
                "",
            )


def _with_texts(wrong: list[LikelyWrongExample], clean: Path, splits: Path) -> list[LikelyWrongExample]:
    texts: dict[str, str] = {}
    for table in (clean / "texts.parquet", *(splits / f"{split}.parquet" for split in SPLITS)):
        missing = {one.id for one in wrong} - texts.keys()
        if missing and table.is_file():
            texts |= version_tables.texts_by_id(table, missing)
    return [dataclasses.replace(one, text=MASKED(texts[one.id])) for one in wrong if one.id in texts]


def _findings(validation: Path) -> list[str]:
    path = validation / "findings.json"
    sentences = []
    for one in files.read_json(path) if path.is_file() else ():
        example = f", such as {one['example']}" if one["example"] else ""
        sentences.append(f"{one['kind']}: {one.get('detail') or format(one['count'], ',')}{example}")
    return sentences


def _if_there(path: Path, count: Callable[[Path], Mapping[str, int]]) -> Mapping[str, int]:
    return count(path) if path.is_file() else {}
