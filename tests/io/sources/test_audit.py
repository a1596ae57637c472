"""Audit labels become records that only train: one a text, none where people disagree."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_fixtures import add_to_queue, light_workspace, queue_of, set_audit
from pydantic import ValidationError

from pipeline.base.config import AuditSource, CollectConfig, Workspace
from pipeline.base.documents.audit import Opinion
from pipeline.base.records import Feedback, TextRecord
from pipeline.base.times import format_micros
from pipeline.io import parquet
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal
from pipeline.io.sources.audit import read_audit
from pipeline.io.sources.labelled_texts import count_new_labels
from pipeline.io.sources.rows import RowTally
from pipeline.io.sources.source_reader import SourceReader, open_sources
from pipeline.monitoring import audit_labels

NOW = datetime.now(UTC)
SOURCE = AuditSource(kind="audit", name="audit", max_texts=9)
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


def config(*more: dict[str, Any]) -> CollectConfig:
    labels = ["negative", "neutral", "positive"]
    return CollectConfig.model_validate({"max_megabytes": 1, "labels": labels, "sources": [TABLE, *more]})


def give(places: Workspace, text: str, label: str, annotator: str = "ann", hours: float = 0) -> None:
    """Give a label to the texts of a cluster as a person does."""
    (entry,) = [one for one in Journal.reading(places.journal).predictions("", "9999") if one.text == text][
        :1
    ]
    when = NOW + timedelta(hours=hours)
    audit_labels.record_label(places, (entry.request, entry.position), label, annotator=annotator, now=when)


def both() -> CollectConfig:
    audit = {"kind": "audit", "name": "audit", "max_texts": 9}
    return config({"kind": "feedback", "name": "feedback", "max_texts": 9}, audit)


def reader(places: Workspace) -> SourceReader:
    return open_sources(places, both())


def records(places: Workspace, name: str, tally: RowTally | None = None) -> list[Any]:
    one = reader(places)
    (source,) = [source for source in one.sources if source.name == name]
    return list(one.records(source, tally))


def volunteer(places: Workspace, text: str, label: str) -> None:
    """Send the true label of a text as a client does."""
    (entry,) = [one for one in Journal.reading(places.journal).predictions("", "9999") if one.text == text][
        :1
    ]
    journal = Journal(places.journal, retention_days=90)
    journal.append_feedback([Feedback(entry.request, 0, format_micros(NOW), label, "shop", entry.topic)])
    journal.close()


def test_without_a_journal_there_are_no_records(tmp_path: Path) -> None:
    assert read_audit(tmp_path / "journal", SOURCE, config()).records == []


def test_a_labelled_text_becomes_a_record_that_only_trains(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good"], topic="phones")
    give(places, "so good", "positive")
    (drawn,) = AuditQueue(places.journal).all_drawn()

    assert read_audit(places.journal, SOURCE, config()).records == [
        TextRecord(
            id="audit:1003bef40087acdc",
            text="so good",
            label="positive",
            source="audit",
            group="audit:1003bef40087acdc",
            lang="en",
            time=drawn.time,
            licence="labelled by the operators of the service",
            split="train only",
            topic="phones",
        )
    ]


def test_a_text_on_which_people_disagree_is_left_out_and_said(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good", "so so", "so bad"])
    give(places, "so good", "positive")
    give(places, "so good", "positive", "bob")
    give(places, "so so", "positive")
    give(places, "so so", "negative", "bob")
    tally = RowTally()

    assert [one.text for one in records(places, "audit", tally)] == ["so good"]
    assert tally.remark == "1 texts are left out, since people disagree about their label"


def test_copies_of_one_text_are_one_record(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good"])
    add_to_queue(places, ["so good !"], hours=5)
    give(places, "so good", "positive")

    assert [one.text for one in records(places, "audit")] == ["so good"]


def test_an_audit_label_wins_over_feedback_and_so_does_disagreement(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good", "so so", "so bad"])
    for text in ("so good", "so so", "so bad"):
        volunteer(places, text, "negative")
    give(places, "so good", "positive")
    give(places, "so so", "neutral")
    give(places, "so so", "negative", "bob")

    assert [(one.text, one.label) for one in records(places, "audit")] == [("so good", "positive")]
    assert [(one.text, one.label) for one in records(places, "feedback")] == [("so bad", "negative")]


def test_labels_that_were_collected_are_not_new(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good", "so bad"])
    volunteer(places, "so good", "negative")
    volunteer(places, "so bad", "negative")
    give(places, "so good", "positive")
    cfg = both()
    assert count_new_labels(places, cfg) == 2

    (places.root / "data" / "raw").mkdir(parents=True)
    parquet.write_texts(
        places.root / "data/raw/texts.parquet", [*records(places, "audit"), *records(places, "feedback")]
    )

    assert count_new_labels(places, cfg) == 0


def test_equal_labels_are_an_equal_source_and_a_new_one_changes_it(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", ["so good", "so bad"])
    give(places, "so good", "positive")
    one = reader(places)
    source = one.sources[2]
    before = one.identity(source)

    assert reader(places).identity(source) == before
    give(places, "so bad", "negative")
    assert one.identity(source) == before, "identity and collect of a run read the same labels"
    assert reader(places).identity(source) != before


def test_the_newest_labels_are_read(tmp_path: Path) -> None:
    places = queue_of(tmp_path / "w", [f"text {number}" for number in range(6)])
    for number in (3, 1, 4, 0, 5, 2):
        give(places, f"text {number}", "neutral", hours=-number)

    newest = read_audit(
        places.journal, AuditSource(kind="audit", name="audit", max_texts=2), config()
    ).records

    assert {one.text for one in newest} == {"text 0", "text 1"}


@pytest.mark.parametrize(
    ("label", "origin"),
    [("", "audit"), ("positive", "feedback"), ("positive", "model"), ("furious", "audit")],
)
def test_what_is_no_audit_label_of_today_is_left_out(tmp_path: Path, label: str, origin: Any) -> None:
    places = queue_of(tmp_path / "w", ["so good"])
    AuditQueue(places.journal).add_opinions([Opinion("c0", "ann", label, format_micros(NOW), origin)])

    assert records(places, "audit") == []


def test_a_text_that_is_not_stored_is_left_out(tmp_path: Path) -> None:
    places = light_workspace(tmp_path / "w")
    set_audit(places, per_topic_per_day=24, second_opinion=0)
    add_to_queue(places, [""])
    AuditQueue(places.journal).add_opinions([Opinion("c0", "ann", "positive", format_micros(NOW))])

    assert records(places, "audit") == []


def test_a_second_source_of_audit_labels_is_refused() -> None:
    audit = {"kind": "audit", "name": "audit", "max_texts": 9}

    with pytest.raises(ValidationError, match="more than one source of kind audit"):
        config(audit, audit | {"name": "other"})
