"""The audit queue over a real journal: what is drawn, shown, labelled, undone, forgotten and read."""

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_fixtures import light_workspace, set_audit
from journal_fixtures import EIGHT, ENTRY, stamp

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.records import JournalEntry
from pipeline.base.times import format_seconds
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    return light_workspace(tmp_path / "w")


def write(
    places: Workspace, texts: Sequence[str], *, hour: int = 0, topic: str = "phones", **changes: Any
) -> list[JournalEntry]:
    """Journal texts within an hour after eight."""
    when = EIGHT + timedelta(hours=hour)
    entries = [
        dataclasses.replace(
            ENTRY,
            request=request_id(when),
            time=stamp(when + timedelta(milliseconds=number)),
            text=text,
            topic=topic,
            **changes,
        )
        for number, text in enumerate(texts)
    ]
    journal = Journal(places.journal, retention_days=90)
    journal.append(entries)
    journal.close()
    return entries


def opinions(count: int, seed: int = 0) -> list[str]:
    """Return different texts."""
    chance = random.Random(seed)
    return [
        f"{chance.getrandbits(60):x} {chance.getrandbits(60):x} {chance.getrandbits(60):x}"
        for _ in range(count)
    ]


def draw(places: Workspace, hour: float) -> int:
    now = format_seconds(EIGHT + timedelta(hours=hour))
    return audit_labels.draw(places, now=now, params=load_params(places.params))


def label_all(places: Workspace, label: str = "positive", annotator: str = "ann") -> int:
    texts = audit_labels.read_queue(places, annotator, most=10_000)
    for number, one in enumerate(texts):
        when = EIGHT + timedelta(days=1, seconds=number)
        audit_labels.record_label(places, (one.request, one.position), label, annotator=annotator, now=when)
    return len(texts)


def labels(places: Workspace, **span: str) -> list[Any]:
    return list(audit_labels.read_audit_labels(places, **span))


def status(places: Workspace) -> audit_labels.AuditStatus:
    return audit_labels.audit_status(places, load_params(places.params))


def test_every_text_of_a_quiet_topic_is_drawn_and_few_of_a_busy_one(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=48)
    write(places, opinions(1), topic="quiet")
    write(places, opinions(500, 1), topic="busy")

    draw(places, 1.1)

    drawn = list(AuditQueue(places.journal).all_drawn())
    assert Counter(one.topic for one in drawn) == {"quiet": 1, "busy": 2}
    assert {one.topic: one.inclusion for one in drawn} == {"quiet": 1.0, "busy": pytest.approx(2 / 500)}


def test_the_weights_of_the_drawn_texts_add_up_to_the_traffic(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=200)
    sizes = [30, 200, 10, 400, 5, 90, 350, 60]
    for hour, size in enumerate(sizes):
        write(places, opinions(size, hour), hour=hour)

    draw(places, len(sizes) + 0.1)

    drawn = list(AuditQueue(places.journal).all_drawn())
    for hour, size in enumerate(sizes):
        inclusions = {one.inclusion for one in drawn if int(one.time[11:13]) == 8 + hour}
        if not inclusions:  # less than one was expected
            assert size <= 30
            continue
        (inclusion,) = inclusions
        drawn_here = sum(int(one.time[11:13]) == 8 + hour for one in drawn)
        # Rounded at random to a neighbour of the expectation.
        assert abs(drawn_here - inclusion * size) < 1
    assert sum(1 / one.inclusion for one in drawn) == pytest.approx(sum(sizes), rel=0.15)


def test_the_draw_follows_from_the_secret_of_the_workspace_alone(places: Workspace, tmp_path: Path) -> None:
    set_audit(places, per_topic_per_day=240)
    entries = write(places, opinions(300))
    draw(places, 1.1)
    first = {one.request for one in AuditQueue(places.journal).all_drawn()}

    (places.journal / "audit.db").unlink()
    draw(places, 1.1)
    again = {one.request for one in AuditQueue(places.journal).all_drawn()}
    (places.journal / "audit.db").unlink()
    places.journal_key.unlink()
    draw(places, 1.1)
    other = {one.request for one in AuditQueue(places.journal).all_drawn()}

    assert first == again != other
    assert len(first) == 10
    assert first < {entry.request for entry in entries}


def test_an_hour_is_drawn_from_once_and_only_when_it_is_complete(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, opinions(50))

    assert [draw(places, hour) for hour in (0.9, 1.0, 1.1, 1.2, 2.5)] == [0, 0, 50, 0, 0]


def test_zero_a_day_draws_nothing_and_says_so(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=0)
    write(places, opinions(50))

    assert draw(places, 1.1) == 0
    assert not (places.journal / "audit.db").exists()
    assert "watch.audit.per_topic_per_day is 0" in status(places)["sentences"][0]


def test_a_clock_that_was_ahead_does_not_end_the_draws(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, opinions(5), hour=960)
    draw(places, 961.5)
    write(places, opinions(7, 1), hour=1)

    assert draw(places, 2.1) == 7


def test_history_that_is_sent_today_is_not_drawn(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, opinions(40), written="2025-06-01T08:00:00.000000Z")
    write(places, opinions(20, 1), written=stamp(EIGHT - timedelta(hours=1)))

    assert draw(places, 1.1) == 20
    assert {one.time for one in AuditQueue(places.journal).all_drawn()} == {stamp(EIGHT - timedelta(hours=1))}


def test_thirty_thousand_topics_are_a_hundred_and_one(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=24)
    journal = Journal(places.journal, retention_days=90)
    journal.append(
        [
            dataclasses.replace(ENTRY, request=request_id(EIGHT), time=stamp(EIGHT), topic=f"t{number}")
            for number in range(3000)
        ]
    )
    journal.close()

    assert draw(places, 1.1) == 101


def test_a_labelled_text_leaves_the_queue_and_becomes_an_audit_label(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    (entry,) = write(places, ["so good"], cluster="c1")
    draw(places, 1.1)
    (shown,) = audit_labels.read_queue(places, "ann", most=9)

    counted = audit_labels.record_label(places, (shown.request, 0), "neutral", annotator="ann", now=EIGHT)

    assert (shown.text, shown.topic, counted) == ("so good", "phones", "neutral")
    assert not {"positive", "label", "predicted"} & set(map(str, dataclasses.asdict(shown).values()))
    assert audit_labels.read_queue(places, "ann") == audit_labels.read_queue(places, "bob") == []
    (label,) = labels(places)
    assert (label.request, label.predicted, label.label, label.origin) == (
        entry.request,
        "positive",
        "neutral",
        "audit",
    )
    assert (label.inclusion, label.drawn, label.annotator, label.cluster) == (1.0, 1, "ann", "c1")
    assert (label.time, label.labelled_at) == (entry.time, stamp(EIGHT))
    assert labels(places, since="2026-11-25T09:00:00Z") == labels(places, until="2026-11-25T08:00:00Z") == []


def test_copies_are_asked_once_and_have_one_vote_with_all_their_weight(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=24_000, second_opinion=0)
    text = "the trains in this town are never on time and nobody ever says why, so I walk"
    write(places, [text] * 10, cluster="c1")
    write(places, [text.replace("walk", "run")] * 5, cluster="c2")
    write(places, ["something else altogether, and quite short"], cluster="c3")
    draw(places, 1.1)

    assert label_all(places) == 2
    assert Counter(label.drawn for label in labels(places)) == {15: 1, 1: 1}
    assert sum(label.drawn / label.inclusion for label in labels(places)) == pytest.approx(16)


def test_a_text_that_comes_again_with_another_release_or_topic_has_a_label_there_too(
    places: Workspace,
) -> None:
    set_audit(places, per_topic_per_day=24_000, second_opinion=0)
    for release, topic in (("R1", "phones"), ("R2", "phones"), ("R2", "trains")):
        write(places, ["so good"], cluster="c1", release=release, topic=topic)
    draw(places, 1.1)

    assert label_all(places) == 1
    assert {(label.release, label.topic) for label in labels(places)} == {
        ("R1", "phones"),
        ("R2", "phones"),
        ("R2", "trains"),
    }
    assert {label.cluster for label in labels(places)} == {"c1"}


def test_the_first_label_of_a_person_stands_until_it_is_undone(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    (entry,) = write(places, ["so good"], cluster="c1")
    draw(places, 1.1)
    key = (entry.request, 0)

    assert audit_labels.record_label(places, key, "neutral", annotator="ann") == "neutral"
    assert audit_labels.record_label(places, key, "positive", annotator="ann") == "neutral"
    shown = audit_labels.undo_label(places, "ann")
    assert shown is not None
    assert shown.text == "so good"
    assert labels(places) == []
    assert audit_labels.record_label(places, key, "positive", annotator="ann") == "positive"
    assert audit_labels.undo_label(places, "bob") is None


def test_a_skipped_text_is_not_shown_again_to_this_person_and_is_no_label(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    (entry,) = write(places, ["so good"], cluster="c1")
    draw(places, 1.1)

    audit_labels.skip_text(places, (entry.request, 0), annotator="ann")

    assert audit_labels.read_queue(places, "ann") == []
    assert [one.text for one in audit_labels.read_queue(places, "bob")] == ["so good"]
    assert labels(places) == []
    assert audit_labels.undo_label(places, "ann") is not None
    assert len(audit_labels.read_queue(places, "ann")) == 1


def test_two_people_are_asked_for_second_opinions_and_their_disagreement_is_said(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=24_000, second_opinion=1)
    texts = opinions(20)
    for text in texts:
        write(places, [text], cluster=text[:16])
    draw(places, 1.1)

    assert label_all(places, "positive", "ann") == 20
    assert len(audit_labels.read_queue(places, "bob", most=99)) == 20
    assert audit_labels.read_queue(places, "ann") == []
    assert label_all(places, "negative", "bob") == 20
    assert audit_labels.read_queue(places, "eve") == []
    found = status(places)["agreement"]
    assert found is not None
    assert (found["texts"], found["share"], found["kappa"]) == (20, 0.0, 0.0)
    # The first opinion counts; the second one tells how far people agree.
    assert {label.label for label in labels(places)} == {"positive"}


@pytest.mark.parametrize("wrong", ["happy", "", "Positive"])
def test_an_unknown_label_is_refused(places: Workspace, wrong: str) -> None:
    set_audit(places, per_topic_per_day=2400)
    (entry,) = write(places, ["so good"])
    draw(places, 1.1)

    with pytest.raises(UsageError, match="Labels: negative, neutral, positive"):
        audit_labels.record_label(places, (entry.request, 0), wrong, annotator="ann")


def test_a_prediction_that_was_not_drawn_gets_no_audit_label(places: Workspace) -> None:
    (entry,) = write(places, ["so good"])

    with pytest.raises(UsageError, match="not drawn"):
        audit_labels.record_label(places, (entry.request, 0), "positive", annotator="ann")


def test_forgetting_a_request_takes_it_from_the_queue_with_its_label(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    first, second = write(places, ["so good", "so bad"])
    draw(places, 1.1)
    label_all(places)

    journal = Journal(places.journal, retention_days=90)
    journal.forget([first.request])
    journal.close()

    assert first.request.encode() not in (places.journal / "audit.db").read_bytes()
    assert AuditQueue(places.journal).drawn(first.request, 0) is None
    assert AuditQueue(places.journal).drawn(second.request, 0) is not None


def test_labels_past_the_retention_are_gone_with_their_predictions(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400, second_opinion=0)
    write(places, ["old"], cluster="c1")
    write(places, ["new"], cluster="c2", hour=24 * 9)
    draw(places, 1.1)
    draw(places, 24 * 9 + 1.1)
    assert label_all(places) == 2

    journal = Journal(places.journal, retention_days=8)
    for day in range(1, 10):
        journal.retain(EIGHT + timedelta(days=day, hours=1))
    journal.close()

    assert [label.cluster for label in labels(places)] == ["c2"]
    assert AuditQueue(places.journal).volumes("", "9999") == {"phones": ("2026-12-04T08", 1)}


def test_a_journal_of_hashes_draws_without_texts_and_says_how_to_label(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, ["", ""], text_id="mine-1")
    draw(places, 1.1)

    assert audit_labels.read_queue(places, "ann", most=9) == []
    assert "stores no text" in status(places)["sentences"][0]
    assert b"signature" in (places.journal / "audit.db").read_bytes()
    assert [one.text_id for one in AuditQueue(places.journal).all_drawn()] == ["mine-1"] * 2


def test_the_queue_holds_no_text(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, ["a canary sang"])
    draw(places, 1.1)

    assert b"canary" not in (places.journal / "audit.db").read_bytes()


@pytest.mark.parametrize("given", [0, 5, 60])
def test_the_status_says_in_a_sentence_how_many_labels_are_missing(places: Workspace, given: int) -> None:
    set_audit(places, per_topic_per_day=24_000, second_opinion=0)
    for text in opinions(60):
        write(places, [text], cluster=text[:16])
    draw(places, 1.1)
    for one in audit_labels.read_queue(places, "ann", most=given) if given else ():
        audit_labels.record_label(places, (one.request, 0), "positive", annotator="ann")

    (topic,) = status(places)["topics"]
    sentence = status(places)["sentences"][-1]
    assert (topic["labels"], topic["waiting"], topic["drawn"]) == (given, 60 - given, 60)
    # p = 0.1, 0.2, 0.7 for every text: 0.7 x 0.3 x (1.96 / 0.03)^2.
    assert topic["needed"] == 897
    assert f"{given} of 897 labels needed for ±3 points" in sentence
    assert ("All labels so far are positive" in sentence) == (given > 0)
    assert any("no audit label yet" in one for one in status(places)["sentences"]) == (given == 0)


def test_a_topic_that_is_gone_is_said(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=2400)
    write(places, opinions(2), topic="old")
    write(places, opinions(2, 1), topic="new", hour=24 * 9)
    draw(places, 1.1)
    draw(places, 24 * 9 + 1.1)

    new, old = status(places)["sentences"][-2:]
    assert old.endswith("No text of it was drawn since 2026-11-25.")
    assert "No text" not in new


def test_enough_labels_mean_stop(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=24_000, second_opinion=0, share_width=0.2)
    for text in opinions(60):
        write(places, [text], cluster=text[:16])
    draw(places, 1.1)
    label_all(places)

    assert status(places)["sentences"] == [
        "phones: 60 labels, enough for ±20 points (21). You can stop here."
    ]


def test_the_newest_release_is_asked_first(places: Workspace) -> None:
    set_audit(places, per_topic_per_day=24_000)
    write(places, opinions(3), release="R9")
    write(places, opinions(3, 1), release="R10", cluster="x")

    draw(places, 1.1)

    newest = AuditQueue(places.journal).waiting("ann")
    assert next(iter(newest)).release == "R10"
