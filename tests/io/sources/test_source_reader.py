"""Every kind of source has an identity, and one retrain reads feedback and replay once."""

import sys
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import label_text

from pipeline.base.config import CollectConfig, Workspace
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params, load_profile
from pipeline.io.sources.source_reader import SourceReader, open_sources
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.stages.context import StageContext
from pipeline.stages.runner import run_stage

TABLE: dict[str, Any] = {
    "kind": "csv",
    "name": "mine",
    "path": "mine.csv",
    "columns": dict.fromkeys(("rating", "id", "group", "time", "split")) | {"text": "text", "label": "label"},
    "group_pattern": None,
    "ratings": None,
    "label_map": {},
    "lang": "en",
    "licence": "own",
}
SOURCES = [
    TABLE,
    {"kind": "feedback", "name": "feedback", "max_texts": 9},
    {"kind": "replay", "name": "replay", "max_texts": 9},
]
READ: list[str] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect" or (event, args[1:2]) == ("open", ("r",)):
        READ.append(str(args[0]))


sys.addaudithook(_audit)


def reader(root: Path, sources: list[dict[str, Any]] = SOURCES) -> SourceReader:
    cfg = CollectConfig.model_validate(
        {"max_megabytes": 1, "labels": ("positive", "negative"), "sources": sources}
    )
    return open_sources(Workspace.of(root, {}), cfg)


def identities(root: Path) -> dict[str, str]:
    fresh = reader(root)
    return {source.name: fresh.identity(source) for source in fresh.sources}


def send_feedback(root: Path, request: str) -> Journal:
    """Write a prediction and its label with a writer that lives on."""
    journal = Journal(Workspace.of(root, {}).journal, retention_days=30)
    label_text(journal, f"text of {request}", "positive")
    return journal


def keep_version(root: Path) -> None:
    record = TextRecord("old:1", "an old text", "positive", "old", "old:1", "en", "", "MIT")
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", [record] if split == "train" else [])
        counts = {"train": 1, "valid": 0, "test": 0, "train/source/old": 1}
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": "one"}))
    DvcCache(root).commit("split")
    data_versions.keep_data_version(root, "a test")


@pytest.fixture
def sources(workspace: Path) -> Path:
    """Return a workspace with a table, one label of feedback, and a data version of another source."""
    (workspace / "mine.csv").write_text("text,label\nso good,positive\n", "utf-8")
    keep_version(workspace)
    send_feedback(workspace, "a").close()
    return workspace


def test_an_identity_changes_only_with_its_own_source(sources: Path) -> None:
    before = identities(sources)
    assert before == identities(sources)

    (sources / "mine.csv").write_text("text,label\nso bad,negative\n", "utf-8")
    table = identities(sources)
    assert [name for name in before if before[name] != table[name]] == ["mine"]

    send_feedback(sources, "b").close()
    labelled = identities(sources)
    assert [name for name in before if table[name] != labelled[name]] == ["feedback"]


def test_records_come_in_the_order_of_the_list_under_their_own_sources(sources: Path) -> None:
    fresh = reader(sources)

    records = [record for source in fresh.sources for record in fresh.records(source)]

    assert [(record.source, record.text) for record in records] == [
        ("mine", "so good"),
        ("feedback", "text of a"),
        ("old", "an old text"),
    ]


def test_one_retrain_reads_feedback_and_the_data_version_once(workspace: Path) -> None:
    keep_version(workspace)
    params = workspace / "params.yaml"
    text = params.read_text("utf-8")
    begin, end = text.index("  sources:"), text.index("\nclean:")
    rows = "\n".join(f"    - {source}".replace("None", "null") for source in SOURCES)
    params.write_text(f"{text[:begin]}  sources:\n{rows}\n{text[end:]}", "utf-8")
    (workspace / "mine.csv").write_text("text,label\nso good,positive\n", "utf-8")
    journal = send_feedback(workspace, "a")
    assert len(load_params(params).collect.sources) == 3
    context = StageContext(Workspace.of(workspace, {}), load_profile("laptop"))

    READ.clear()
    receipts = [run_stage(context, name) for name in ("identity", "collect")]
    read = list(READ)
    journal.close()

    assert receipts[1].counts["out"] == 3
    assert sum("journal/feedback.db" in path for path in read) == 1
    assert sum(path.endswith("/splits/train.parquet") and "tonewatch-split-" in path for path in read) == 1


def test_the_identity_of_a_file_is_that_of_its_bytes_and_of_a_package_its_pin(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"abc")
    package = {name: value for name, value in TABLE.items() if name != "path"} | {
        "kind": "package",
        "project": "t",
        "sha256": "a" * 64,
        "members": ["*/rows.txt"],
        "delimiter": ",",
        "header": ["text", "label"],
    }
    fresh = reader(tmp_path, [TABLE, package | {"name": "packaged"}])

    file, packaged = (fresh.identity(source) for source in fresh.sources)

    assert file.startswith("ba7816bf8f01cfea")
    assert packaged == "a" * 64
