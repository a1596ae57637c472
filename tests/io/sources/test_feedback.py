"""What a new training learns from besides its sources."""

import dataclasses
from pathlib import Path

import pytest

from pipeline.base.config import CollectConfig, FeedbackSource, ReplaySource
from pipeline.base.config.parsing import keep_operational_sections
from pipeline.base.records import SPLITS, Feedback, JournalEntry, Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.io.sources import feedback
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache

ROOT = Path(__file__).parents[3]
NOON = "2026-11-25T12:00:00.000000Z"


@pytest.fixture
def cfg() -> CollectConfig:
    collect = load_params(ROOT / "params.yaml").collect
    own = (
        FeedbackSource(kind="feedback", name="feedback", max_texts=3),
        ReplaySource(kind="replay", name="replay", max_texts=2),
    )
    return collect.model_copy(update={"sources": (*collect.tables, *own)})


def told(request: str, text: str, label: str, time: str = NOON) -> Feedback:
    return Feedback(request, 0, time, label, "client", text, "general")


def journal(folder: Path, *entries: Feedback) -> Path:
    with_entries = Journal(folder, retention_days=30)
    with_entries.feedback(entries)
    with_entries.close()
    return folder


def test_without_a_journal_nothing_was_told(tmp_path: Path, cfg: CollectConfig) -> None:
    assert feedback.feedback_records(tmp_path / "journal", cfg) == []


def test_a_told_label_becomes_a_record_and_the_last_one_counts(tmp_path: Path, cfg: CollectConfig) -> None:
    place = journal(
        tmp_path / "journal",
        told("a", "so good", "negative"),
        told("b", "so good", "positive", "2026-11-25T13:00:00.000000Z"),
        told("c", "only its hash was kept", "positive") and told("c", "", "positive"),
        told("d", "a label nobody knows", "furious"),
    )

    (record,) = feedback.feedback_records(place, cfg)

    assert (record.text, record.label, record.source, record.lang) == (
        "so good",
        "positive",
        "feedback",
        "en",
    )
    assert record.group == record.id


def test_of_many_told_labels_the_newest_are_learnt(tmp_path: Path, cfg: CollectConfig) -> None:
    entries = [
        told(f"r{hour}", f"text {hour}", "neutral", f"2026-11-25T0{hour}:00:00.000000Z") for hour in range(6)
    ]

    found = feedback.feedback_records(journal(tmp_path / "journal", *entries), cfg)

    assert {record.text for record in found} == {"text 3", "text 4", "text 5"}


def test_a_source_that_is_no_longer_listed_is_replayed_within_bounds_and_stays_the_same(
    workspace: Path, cfg: CollectConfig
) -> None:
    def record(number: int, source: str) -> TextRecord:
        return TextRecord(
            f"{source}:{number}", f"text {number}", "positive", source, f"{source}:{number}", "en", "", "MIT"
        )

    _keep(workspace, [record(number, source) for number in range(9) for source in ("old", "movie")], "one")
    first = feedback.replayed_records(workspace, cfg)
    _keep(workspace, [*first, record(1, "movie")], "two")

    assert [one.source for one in first] == ["old", "old"]
    assert feedback.replayed_records(workspace, cfg) == first
    assert feedback.records_digest(feedback.replayed_records(workspace, cfg)) == feedback.records_digest(
        first
    )
    assert feedback.replayed_records(workspace, cfg.model_copy(update={"sources": cfg.tables})) == []


def test_how_the_line_is_operated_stays_as_it_is_when_params_follow_a_release() -> None:
    released = "seed: 1\n\n# how it is served\nserve:\n  a: 1\ngate:\n  x: 1\n"
    now = "seed: 2\nserve:\n  a: 9 # mine\ngate:\n  x: 2\n"

    assert keep_operational_sections(released, now) == "seed: 1\n\nserve:\n  a: 9 # mine\ngate:\n  x: 1\n"


def _keep(root: Path, records: list[TextRecord], fingerprint: str) -> None:
    sources = {f"train/source/{name}": 1 for name in {record.source for record in records}}
    with files.staging_dir(root / "data" / "splits") as staging:
        for side in SPLITS:
            parquet.write_texts(staging / f"{side}.parquet", records if side == "train" else [])
        files.write_receipt(
            staging,
            Receipt(
                "split", counts={**dict.fromkeys(SPLITS, 0), **sources}, notes={"fingerprint": fingerprint}
            ),
        )
    DvcCache(root).commit("split")
    data_versions.keep_data_version(root, "a test")


def test_an_answer_and_its_label_name_each_other() -> None:
    fields = {field.name for field in dataclasses.fields(JournalEntry)} & {
        field.name for field in dataclasses.fields(Feedback)
    }

    assert fields == {"request", "position", "time", "text", "label", "client", "topic"}
