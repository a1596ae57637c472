"""Forgetting a request erases it from the journal, and names the data versions that hold its texts."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from journal_fixtures import EIGHT, label_text, read_all

from pipeline.__main__ import run_command
from pipeline.base.config import Workspace
from pipeline.base.digests import text_digest
from pipeline.base.errors import UsageError
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.io.sources.feedback import read_feedback
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations.forget import forget_requests


def keep_version(root: Path, records: list[TextRecord]) -> str:
    """Keep a data version whose training split holds these texts."""
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", records if split == "train" else [])
        counts = dict.fromkeys(SPLITS, 0) | {"train": len(records)}
        notes = {"fingerprint": str(len(records))}
        files.write_receipt(staging, Receipt("split", counts=counts, notes=notes))
    DvcCache(root).commit("split")
    return data_versions.keep_data_version(root, "a test").name


@pytest.fixture
def labelled(workspace: Path) -> tuple[Workspace, str, str]:
    """Return a workspace with two labelled requests; version v2 holds the text of the first one."""
    places = Workspace.of(workspace, {})
    journal = Journal(places.journal, retention_days=90)
    first, second = (label_text(journal, text, "positive") for text in ("a canary sang", "so good"))
    journal.close()
    collect = load_params(places.params).collect
    assert collect.feedback
    records = read_feedback(places.journal, collect.feedback, collect)
    other = TextRecord("a:1", "another text", "positive", "a", "a:1", "en", "", "MIT")
    assert keep_version(workspace, [other]) == "v1"
    assert keep_version(workspace, [other, *(one for one in records if "canary" in one.text)]) == "v2"
    return places, first.request, second.request


def test_a_forgotten_request_is_erased_and_versions_with_its_text_are_named(
    labelled: tuple[Workspace, str, str],
) -> None:
    places, first, second = labelled

    report = forget_requests(places, [first, unknown := request_id(EIGHT)])

    assert (report.predictions, report.unknown) == (1, (unknown,))
    assert (report.versions, report.unreadable) == (("v2",), ())
    assert [entry.request for entry in read_all(places.journal)] == [second]
    assert [one.request for one in Journal.reading(places.journal).labels()] == [second]
    stored = b"".join(path.read_bytes() for path in places.journal.rglob("*") if path.is_file())
    assert (b"canary" in stored, first.encode() in stored) == (False, False)
    assert forget_requests(places, [second]).versions == ()


def test_the_files_that_hold_a_forgotten_text_are_named(labelled: tuple[Workspace, str, str]) -> None:
    places, first, _ = labelled
    canary = TextRecord("tweets:7", "a canary sang", "positive", "tweets", "tweets:7", "en", "", "MIT")
    cleaned = TextRecord(
        f"feedback:{text_digest('a canary sang')[:16]}", "A CANARY SANG", "", "feedback", "g", "en", "", ""
    )
    data = places.root / "data"
    for folder in ("raw", "clean", "later"):
        (data / folder).mkdir(exist_ok=True)
    parquet.write_texts(data / "raw" / "texts.parquet", [canary])
    parquet.write_rows(
        data / "clean" / "quarantine.parquet",
        {name: [value] for name, value in dataclasses.asdict(cleaned).items()} | {"reason": ["too short"]},
    )
    parquet.write_texts(data / "clean" / "texts.parquet", [])
    parquet.write_rows(data / "later" / "scored.parquet", {"text": ["a canary sang"], "label": ["positive"]})
    (data / "raw" / "damaged.parquet").write_bytes(b"PAR1 no table")

    report = forget_requests(places, [first])

    assert report.tables == (
        "data/clean/quarantine.parquet",
        "data/later/scored.parquet",
        "data/raw/texts.parquet",
        "data/splits/train.parquet",
    )
    assert all(name.startswith(".dvc/cache/") for name in report.cached)
    assert len(report.cached) == 1
    assert report.unreadable == ("data/raw/damaged.parquet",)
    sentences = " ".join(report.sentences())
    assert "data/clean/quarantine.parquet" in sentences
    assert "canary" not in sentences


def test_what_is_no_request_id_is_rejected_before_anything_is_erased(
    labelled: tuple[Workspace, str, str],
) -> None:
    places, first, _ = labelled

    with pytest.raises(UsageError, match="no request id"):
        forget_requests(places, [first, "2026112508"])

    assert len(read_all(places.journal)) == 2


def test_the_command_says_what_it_did_not_touch(
    labelled: tuple[Workspace, str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    places, first, _ = labelled
    monkeypatch.chdir(places.root)

    assert run_command(["data", "forget", first]) == 0
    output = capsys.readouterr().out
    assert "Erased from the journal: 1 predictions" in output
    assert "data versions that hold a text of these requests: v2" in output
    assert run_command(["data", "forget", first, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unknown"] == [first]
