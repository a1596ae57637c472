"""Feedback becomes records: the last label of a text, the newest texts, under ids of their own."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from journal_fixtures import label_text

from pipeline.base.config import CollectConfig, FeedbackSource, Workspace
from pipeline.base.records import Feedback, JournalEntry, TextRecord
from pipeline.io import parquet
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.io.sources.feedback import read_feedback
from pipeline.io.sources.labelled_texts import count_new_labels

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SOURCE = FeedbackSource(kind="feedback", name="feedback", max_texts=3)


@pytest.fixture
def cfg() -> CollectConfig:
    return load_params(ROOT / "params.yaml").collect


def journal(folder: Path, *labelled: tuple[str, str, datetime]) -> Path:
    """Make a journal of texts, their labels, and when both were sent."""
    writer = Journal(folder, retention_days=30)
    for text, label, when in labelled:
        label_text(writer, text, label, when)
    writer.close()
    return folder


def test_without_a_journal_there_are_no_records(tmp_path: Path, cfg: CollectConfig) -> None:
    assert read_feedback(tmp_path / "journal", SOURCE, cfg) == []


def test_the_last_label_of_a_text_becomes_a_record(tmp_path: Path, cfg: CollectConfig) -> None:
    labelled = (("so good", "negative", NOON), ("so good", "positive", NOON + timedelta(hours=1)))

    assert read_feedback(journal(tmp_path / "journal", *labelled), SOURCE, cfg) == [
        TextRecord(
            id="feedback:1003bef40087acdc",
            text="so good",
            label="positive",
            source="feedback",
            group="feedback:1003bef40087acdc",
            lang="en",
            time="2026-11-25T13:00:00.000000Z",
            licence="told by users of the service",
            split="train only",
        )
    ]


@pytest.mark.parametrize(
    ("text", "label"), [("", "positive"), ("its label is not collected", "furious")], ids=["no text", "label"]
)
def test_feedback_without_text_or_collected_label_is_left_out(
    tmp_path: Path, cfg: CollectConfig, text: str, label: str
) -> None:
    place = journal(tmp_path / "journal", ("so good", "positive", NOON), (text, label, NOON))

    assert [record.text for record in read_feedback(place, SOURCE, cfg)] == ["so good"]


def test_feedback_about_an_expired_prediction_is_left_out(tmp_path: Path, cfg: CollectConfig) -> None:
    labelled = (("so good", "positive", NOON), ("so old", "negative", NOON - timedelta(hours=3)))
    place = journal(tmp_path / "journal", *labelled)
    (place / "predictions" / "2026-11-25T09.db").unlink()

    assert [record.text for record in read_feedback(place, SOURCE, cfg)] == ["so good"]


def test_the_newest_texts_are_read(tmp_path: Path, cfg: CollectConfig) -> None:
    labelled = [(f"text {hour}", "neutral", NOON + timedelta(hours=hour)) for hour in range(6)]

    records = read_feedback(journal(tmp_path / "journal", *labelled), SOURCE, cfg)

    assert {record.text for record in records} == {"text 3", "text 4", "text 5"}
    assert [record.id for record in records] == sorted(record.id for record in records)


def test_labels_that_the_collected_data_lack_are_new(tmp_path: Path, cfg: CollectConfig) -> None:
    workspace = Workspace.of(tmp_path, {})
    journal(workspace.journal, *((f"text {number}", "neutral", NOON) for number in range(3)))
    same, other = read_feedback(workspace.journal, SOURCE, cfg)[:2]
    (tmp_path / "data" / "raw").mkdir(parents=True)

    assert count_new_labels(workspace, cfg) == 3
    parquet.write_texts(
        tmp_path / "data/raw/texts.parquet", [same, dataclasses.replace(other, label="positive")]
    )
    assert count_new_labels(workspace, cfg) == 2
    assert count_new_labels(workspace, cfg.model_copy(update={"sources": cfg.tables})) == 0


def test_a_prediction_and_its_feedback_share_their_names() -> None:
    fields = {field.name for field in dataclasses.fields(JournalEntry)} & {
        field.name for field in dataclasses.fields(Feedback)
    }

    assert fields == {"request", "position", "time", "label", "client", "topic"}


def test_all_targets_of_a_text_are_one_group(tmp_path: Path, cfg: CollectConfig) -> None:
    labelled = (("cold soup\nsoup", "negative", NOON), ("cold soup\nwaiter", "positive", NOON))

    one, other = read_feedback(journal(tmp_path / "journal", *labelled), SOURCE, cfg)

    assert {one.text, other.text} == {"cold soup\nsoup", "cold soup\nwaiter"}
    assert one.id != other.id
    assert one.group == other.group
