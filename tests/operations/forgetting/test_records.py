"""Forgetting records leaves no byte of them, nothing brings them back, and a killed call is finished."""

import dataclasses
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from secrets_kept import SECRET, built, by_id, cleaned, collected, files_holding, in_child, split_all
from web_server import running_web_server, send

from pipeline.base.config import FeedSource, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.errors import Fault, UsageError
from pipeline.core.privacy.preparation import MASKED
from pipeline.core.privacy.tombstone_form import tombstone_form
from pipeline.io import files, parquet
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.feeds.feed_rows import read_feed_rows
from pipeline.io.forgetting.record import read_record
from pipeline.io.forgetting.tombstones import open_tombstones
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.journal import Journal
from pipeline.io.versioning import data_branch, data_versions
from pipeline.io.web.keeping import Keeping
from pipeline.operations.forgetting import Selection, forget, forget_records
from pipeline.operations.forgetting.report import RecordsReport

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "sqlite3.connect"}


@pytest.fixture(scope="module")
def whole(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make one workspace with a data version and a journal: DVC takes seconds, copying it takes none."""
    root = tmp_path_factory.mktemp("whole") / "workspace"
    places = built(Path(shutil.copytree(_filled, root, symlinks=True)))
    # The key of digests is made once, for all copies.
    read_digest_key(places.journal_key)
    return places


@pytest.fixture
def places(whole: Workspace, tmp_path: Path) -> Workspace:
    return Workspace.of(Path(shutil.copytree(whole.root, tmp_path / "workspace", symlinks=True)), {})


def test_nothing_of_a_forgotten_text_is_left_anywhere(places: Workspace) -> None:
    assert len(files_holding(places.root, SECRET)) >= 6

    report = forget_records(places, by_id("mine:r90"), dry_run=False)

    assert files_holding(places.root, SECRET, "r90") == []
    assert report.versions == ("v1",)
    assert {one["place"]: one["rows"] for one in report.places}["data/raw/texts.parquet"] == 2
    for folder, stage in (("raw", "collect"), ("clean", "clean"), ("splits", "split")):
        files.verified_receipt(places.root / "data" / folder, made_by=stage)
    kept = [entry.text for entry in Journal.reading(places.journal).predictions("", "9999")]
    assert kept == ["something else entirely"]
    for database in places.journal.rglob("*.db"):
        with sqlite3.connect(database) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("with_store", [False, True])
def test_trainings_that_did_not_end_go_with_their_tokens(
    places: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_store: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = f"file://{tmp_path}/bucket" if with_store else ""
    places = Workspace.of(places.root, {"TONEWATCH_TRAINING_STORE": store} if store else {})
    texts = CheckpointFolder(places.checkpoints, "k", store).texts(
        "train", [{"tokens": [[1, 2]], "label": [0]}]
    )
    assert texts[0].tolist() == [1, 2]
    folds = places.checkpoints / "tune-a" / "work" / "b-0" / "texts"
    folds.mkdir(parents=True)
    (folds / "train.parquet").write_text(SECRET)

    tried = forget_records(places, by_id("mine:r90"), dry_run=True)
    assert tried.trainings == ("k", "tune-a")
    assert "Would begin anew" in "\n".join(tried.sentences())
    assert list(tmp_path.rglob("*.arrow"))

    done = forget_records(places, by_id("mine:r90"), dry_run=False)

    assert done.trainings == ("k", "tune-a")
    assert list(places.checkpoints.iterdir()) == []
    assert list(tmp_path.rglob("*.arrow")) == []
    assert files_holding(tmp_path, SECRET) == []


def test_a_training_store_that_is_down_keeps_nothing_else_from_being_forgotten(
    places: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket = f"file://{tmp_path}/bucket"
    CheckpointFolder(places.checkpoints, "k", bucket).texts("train", [{"tokens": [[1, 2]], "label": [0]}])
    for name, value in (("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_MAX_ATTEMPTS", "1")):
        monkeypatch.setenv(name, value)
    down, up = (
        Workspace.of(places.root, {"TONEWATCH_TRAINING_STORE": store}) for store in ("s3://b/t", bucket)
    )

    report = forget_records(down, by_id("mine:r90"), dry_run=False)

    assert "Not finished: the training store. The training store s3://b/t/k fails" in "\n".join(
        report.sentences()
    )
    assert files_holding(places.root, SECRET, "r90") == []
    assert list(places.checkpoints.rglob("*.arrow")) == []
    assert read_record(places.root)["pending"] == {}

    assert forget_records(up, by_id("mine:r90"), dry_run=False).store_pending == ""
    assert list(tmp_path.rglob("*.arrow")) == []


def test_a_second_collect_does_not_bring_it_back_and_counts_it(places: Workspace) -> None:
    forget_records(places, by_id("mine:r90"), dry_run=False)

    receipt, account = collected(places), DataAccount.of_notes(cleaned(places).notes)

    assert receipt.counts["forgotten"] == 2
    assert account
    assert (account.forgotten, account.read) == (2, 15)
    assert "forgotten 2" in account.lines()[0]
    split_all(places)
    assert files_holding(places.root, SECRET, "r90") == []


def test_a_dry_run_names_every_place_and_changes_nothing(places: Workspace) -> None:
    before = files_holding(places.root, SECRET)

    report = forget_records(places, Selection.of((), ("  QUARTZ   canary ",), ()), dry_run=True)

    found = {one["place"]: one["rows"] for one in report.places}
    assert found["journal"] == found["feedback"] == 1
    assert found["v1 (data/splits/train.parquet)"] == found["data/splits/train.parquet"] == 1
    assert found["data/clean/quarantine.parquet"] == 1
    assert files_holding(places.root, SECRET) == before
    assert read_record(places.root)["versions"] == {}
    assert "canary" not in " ".join(report.sentences())


def test_a_subject_is_forgotten_with_all_its_records(places: Workspace) -> None:
    forget_records(places, Selection.of((), (), ("zwick",)), dry_run=False)

    ids = [one.id for one in parquet.read_texts(places.root / "data" / "raw" / "texts.parquet")]
    assert ids == [f"mine:r{n}" for n in range(12)]
    assert files_holding(places.root, SECRET, "zwick") == []


def test_a_version_that_held_it_stays_listed_and_is_read_without_it(places: Workspace) -> None:
    forget_records(places, by_id("mine:r90"), dry_run=False)

    assert [version.name for version in data_versions.list_versions(places.root)] == ["v1"]
    assert len(data_versions.read_split(places.root, "v1", "train")) == 12
    with pytest.raises(Fault, match="cannot be restored whole"):
        data_branch.restore(places.root, "v1")


def test_what_is_only_personal_data_or_nothing_is_refused(places: Workspace) -> None:
    for arguments in (((), ("a@b.org",), ()), ((), (" ",), ()), ((), (), ()), (("",), (), ())):
        with pytest.raises(UsageError):
            Selection.of(*arguments)
    with pytest.raises(UsageError, match="by themselves"):
        forget(places, ["2026112508-0"], ids=["a"], matches=(), subjects=(), dry_run=False)


def counted(places: Workspace, fatal: int, out: Path | None = None) -> RecordsReport:
    """Forget, and be killed before one of the writes; write their number to `out`."""
    number = 0

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        flags = arguments[2] if name == "open" else 0
        if name in WRITES or (name == "open" and isinstance(flags, int) and flags & WRITING):
            number += 1
            if number == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    report = forget_records(places, by_id("mine:r90"), dry_run=False)
    if out:
        writes = number
        out.write_text(str(writes))
    return report


def state(places: Workspace) -> dict[str, object]:
    data, record = places.root / "data", read_record(places.root)
    folders = [data / "raw", data / "clean", data / "splits"]
    return {
        "left": files_holding(places.root, SECRET, "r90"),
        "texts": record["texts"],
        "ids": record["ids"],
        "versions": list(record["versions"]),
        "receipts": [dataclasses.asdict(files.read_receipt(folder)) for folder in folders],
        "v1": len(data_versions.read_split(places.root, "v1", "train")),
        "leftovers": [str(path) for path in places.root.rglob(".*.staging-*")],
    }


@pytest.mark.parametrize(
    "stride", [31, pytest.param(1, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)], id="every write")]
)
def test_killed_at_a_write_and_repeated_it_ends_the_same(
    places: Workspace, tmp_path_factory: pytest.TempPathFactory, stride: int
) -> None:
    base = tmp_path_factory.mktemp("killed")

    def copy(name: str) -> Workspace:
        return Workspace.of(Path(shutil.copytree(places.root, base / name, symlinks=True)), {})

    undisturbed, number = copy("undisturbed"), base / "number"
    assert in_child(lambda: counted(undisturbed, 0, number)) == 0
    expected, writes = state(undisturbed), int(number.read_text())
    assert expected["left"] == []
    assert writes > 20
    for fatal in range(1, writes + 1, stride):
        one = copy(f"kill-{fatal}")
        assert in_child(lambda one=one, fatal=fatal: counted(one, fatal)) == -signal.SIGKILL  # type: ignore[misc]
        forget_records(one, by_id("mine:r90"), dry_run=False)
        assert state(one) == expected, fatal
        shutil.rmtree(one.root)


def test_rows_of_the_web_are_forgotten_and_do_not_come_back(places: Workspace) -> None:
    items = "".join(
        f"<item><guid>{n}</guid><title>{text}</title></item>" for n, text in enumerate((SECRET, "rain"))
    )
    with running_web_server() as server:
        server.replies["/f"] = send(f'<rss version="2.0"><channel>{items}</channel></rss>'.encode())
        source = FeedSource.model_validate(
            {"kind": "feed", "name": "news", "url": f"{server.url}/f", "lang": "en", "licence": "own"}
            | {"label": "good", "allow_private": True}
        )

        def read() -> list[str]:
            covers = open_tombstones(places, tombstone_form).covers
            keeping = Keeping(MASKED.name, MASKED, str, covers)
            rows = read_feed_rows(
                source, places.web / "news", root=places.root, max_bytes=10**6, keeping=keeping
            ).rows()
            return [row["text"] for row in rows if isinstance(row, dict)]

        assert sorted(read()) == ["rain", SECRET]
        report = forget_records(places, by_id("news:0"), dry_run=False)

        assert ".tonewatch/web/news/rows.parquet" in {place["place"] for place in report.places}
        assert files_holding(places.root, SECRET) == []
        assert read() == ["rain"], "although the feed still lists it"
        assert files_holding(places.root, SECRET) == []
