"""A pass of the watch over a real journal: window reports, alerts, automatic rollback."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from world import LABELS, TEXTS, judged, serve

from pipeline.base.config import Workspace
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.errors import UsageError
from pipeline.base.records import Alert, Feedback, JournalEntry
from pipeline.base.times import format_micros, format_seconds, parse_time
from pipeline.io import alerts, files
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.watch import run_watch

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def now(hour: float) -> str:
    return format_seconds(EIGHT + timedelta(hours=hour))


@pytest.fixture
def serve_texts(places: Workspace) -> Callable[..., list[JournalEntry]]:
    """Return a function that journals the champion's predictions for texts, by number, in some hour."""
    journal, references = Journal(places.journal, retention_days=9), ReferenceCache(places)

    def _serve(
        numbers: Sequence[int], hour: float, topic: str = "general", with_feedback: bool = False
    ) -> list[JournalEntry]:
        champion = references.get(str(Ledger(places.ledger).champion()))
        texts = [TEXTS[number].text for number in numbers]
        predictions = champion.predictor.predict(texts)
        when = EIGHT + timedelta(hours=hour)
        entries = [
            JournalEntry(
                request=request_id(when),
                position=0,
                time=format_micros(when + timedelta(seconds=row)),
                text=text,
                digest=hashlib.sha256(text.encode()).hexdigest(),
                label=predictions.labels[row],
                uncertain=predictions.uncertain[row],
                probabilities=tuple(predictions.probabilities[row].tolist()),
                release=champion.name,
                data_version="v1",
                client="shop",
                topic=topic,
                lang="und",
                words=1,
                unknown=predictions.unknown[row],
            )
            for row, text in enumerate(texts)
        ]
        journal.append(entries)
        if with_feedback:
            journal.append_feedback(
                [
                    Feedback(entry.request, 0, entry.time, TEXTS[number].label, "shop", topic)
                    for entry, number in zip(entries, numbers, strict=True)
                ]
            )
        return entries

    return _serve


def mixed(seed: int, size: int = 100) -> list[int]:
    """Draw numbers of texts with the label shares of the test split."""
    return [(seed * 7919 + step * 131) % len(TEXTS) for step in range(size)]


def window(places: Workspace, hour: int) -> dict[str, Any]:
    return dict(files.read_json(places.windows / f"{now(hour).replace(':', '-')}.json"))


def audit(entries: Sequence[JournalEntry], numbers: Sequence[int], *, hour: float) -> list[AuditLabel]:
    """Return the audit labels of predictions, each given in this hour; equal texts are one cluster."""
    labelled_at = now(hour)
    return [
        AuditLabel(
            request=entry.request,
            position=entry.position,
            time=entry.time,
            topic=entry.topic,
            release=entry.release,
            cluster=entry.digest,
            predicted=entry.label,
            probabilities=entry.probabilities,
            label=TEXTS[number].label,
            inclusion=0.5,
            annotator="ada",
            labelled_at=labelled_at,
        )
        for entry, number in zip(entries, numbers, strict=True)
    ]


@pytest.mark.served(10)
def test_the_prevalence_of_a_window_covers_the_truth_without_an_alarm(
    places: Workspace, serve_texts: Any
) -> None:
    numbers = mixed(1)
    entries = serve_texts(numbers, 0)

    summary = run_watch(places, now=now(1), audited=audit(entries[::2], numbers[::2], hour=0.9))

    assert (summary["windows"], summary["alerts"], summary["rollback"], summary["retrain"]) == (
        ["2026-11-25T08-00-00Z"],
        [],
        None,
        None,
    )
    topic = window(places, 0)["topics"]["all"]
    for label in LABELS:
        truth = sum(TEXTS[number].label == label for number in numbers) / len(numbers)
        entry = topic["prevalence"][label]
        assert entry["low"] <= truth <= entry["high"]
        assert (entry["method"], entry["labels"]) == ("ppi", 50)
        assert 0 < entry["high"] - entry["low"] < 0.4
    assert topic["observed"]["labels"] == 50
    assert topic["mean_probability"] == {
        label: topic["prevalence"][label]["mean_probability"] for label in LABELS
    }
    assert topic["drift"]["drifted"] is False
    assert topic["estimated"]["low"] < topic["estimated"]["high"]
    assert window(places, 0)["releases"] == {"R1": 100}


@pytest.mark.served(10)
def test_without_audit_labels_raw_share_and_mean_probability_stand_beside_the_reason(
    places: Workspace, serve_texts: Any
) -> None:
    serve_texts(mixed(1), 0, with_feedback=True)

    run_watch(places, now=now(1))

    report = window(places, 0)["topics"]["general"]
    for entry in report["prevalence"].values():
        assert (entry["corrected"], entry["method"], entry["labels"]) == (False, "none", 0)
        assert entry["share"] == entry["raw"] != entry["mean_probability"]
        assert (entry["low"], entry["high"]) == (0.0, 1.0)
        assert entry["why"] == "it has no audit label of this release within 28 days"
    # Feedback is no measure of quality.
    assert report["observed"] is None


@pytest.mark.served(10)
@pytest.mark.parametrize(
    ("kind", "method"), [("topic", "none"), ("encoding", "none"), ("language", "none"), ("label", "ppi")]
)
def test_while_a_drift_alarm_is_active_nothing_is_corrected(
    places: Workspace, serve_texts: Any, kind: str, method: str
) -> None:
    numbers = mixed(1)
    entries = serve_texts(numbers, 0)
    run_watch(places, now=now(1))
    report = window(places, 0)
    alarm = {"topic": "all", "kind": kind, "series": kind, "release": "R1", "since": now(0), "until": None}
    active = {**alarm, "detected": now(0), "before": 0.2, "after": 0.4}
    files.write_json(places.windows / "changes.json", {"judged": "", "topics": {}, "alarms": [active]})
    for hour in (0, 1):
        report["window"] = {"start": now(hour), "end": now(hour + 1)}
        files.write_json(places.windows / f"{now(hour).replace(':', '-')}.json", report)
    serve_texts(mixed(2), 2)

    run_watch(places, now=now(3), audited=audit(entries, numbers, hour=1))

    entry = window(places, 2)["topics"]["all"]["prevalence"]["positive"]
    assert entry["method"] == method
    why = f"a drift alarm of kind {kind} is active, so earlier audit labels do not hold"
    assert entry.get("why") == (why if method == "none" else None)


@pytest.mark.served(10)
def test_a_topic_named_as_a_source_is_compared_with_that_source(places: Workspace, serve_texts: Any) -> None:
    serve_texts(mixed(1), 0, topic="tweet")
    serve_texts(mixed(2), 0, topic="phones")

    run_watch(places, now=now(1))

    topics = window(places, 0)["topics"]
    assert topics["phones"]["drift"]["texts"] == 100
    assert 0.9 * len(TEXTS) / 4 <= topics["tweet"]["drift"]["texts"] <= len(TEXTS) / 4
    assert topics["tweet"]["drift"]["drifted"] is False


@pytest.mark.served(10)
def test_a_window_is_reported_once_and_only_after_it_has_ended(places: Workspace, serve_texts: Any) -> None:
    serve_texts(mixed(1), 0)
    serve_texts(mixed(2), 1)

    assert run_watch(places, now=now(1.9))["windows"] == ["2026-11-25T08-00-00Z"]
    assert run_watch(places, now=now(1.95))["windows"] == []
    assert run_watch(places, now=now(2))["windows"] == ["2026-11-25T09-00-00Z"]


@pytest.mark.served(10)
def test_lasting_drift_is_reported_once_and_recommends_retraining(
    places: Workspace, serve_texts: Any
) -> None:
    positive = [number for number in range(len(TEXTS)) if TEXTS[number].label == "positive"]
    # The learning time is the day from midnight.
    for hour in range(-8, 18):
        serve_texts(mixed(hour + 8), hour)
    for hour in range(18, 22):
        serve_texts(positive[:100], hour)

    before, during = run_watch(places, now=now(18)), run_watch(places, now=now(20))
    later = run_watch(places, now=now(22))

    assert before["alerts"] == []
    assert any("Drift" in title for title in during["alerts"])
    assert "Drift" in during["retrain"]
    assert not any("Drift" in title for title in later["alerts"])
    alert = next(entry.alert for entry in alerts.list_outbox(places.alerts) if entry.alert.kind == "drift")
    assert "word" not in alert.message  # ids, and no text of anyone


@pytest.mark.served(10)
def test_an_alert_asks_for_a_retrain_until_a_release_follows_or_a_day_is_over(places: Workspace) -> None:
    def asked(hours: float) -> str | None:
        return run_watch(places, now=format_seconds(raised + timedelta(hours=hours)))["retrain"]

    (first,) = Ledger(places.ledger).releases()
    raised = parse_time(first.created) + timedelta(milliseconds=1)
    drift = Alert("drift/a", "drift", "a", format_micros(raised), "Drift of a", "", requests_retrain=True)
    silent = dataclasses.replace(drift, key="silence/a", title="Silence of a", requests_retrain=False)
    # A pass that dies after this has requested nothing yet.
    alerts.add_alerts(places.alerts, [drift, silent])

    assert (asked(1), asked(20), asked(25)) == ("Drift of a", "Drift of a", None)
    judged(places, wrong=7)
    assert asked(1) is None


@pytest.mark.served(10)
def test_ten_times_the_traffic_is_no_drift(places: Workspace, serve_texts: Any) -> None:
    for hour in range(4):
        serve_texts(mixed(hour, size=100 if hour < 2 else 1000), hour)

    assert [title for title in run_watch(places, now=now(4))["alerts"] if "Drift" in title] == []


@pytest.mark.served(5)
def test_a_change_of_the_model_is_marked_and_measured(places: Workspace, serve_texts: Any) -> None:
    serve_texts(mixed(1), 0)
    serve(places, wrong=40)
    serve_texts(mixed(2), 1)

    run_watch(places, now=now(2))

    assert window(places, 0)["model_change"] is None
    change = window(places, 1)["model_change"]
    assert (change["from"], change["to"], change["texts"]) == ("R1", "R2", 100)
    assert set(change["labels"]) == set(LABELS)
    assert set(change["topics"]) == {"all", "general"}
    assert set(change["topics"]["general"]["by_old_release"]) == set(LABELS)


@pytest.mark.served(7)
def test_a_significant_regression_is_rolled_back_with_the_reason(places: Workspace, serve_texts: Any) -> None:
    serve(places, wrong=20)
    # Texts that only R1 predicts right, and as many that both do.
    only_previous_right = [number for number in range(len(TEXTS)) if number % 20 == 0 and number % 7]
    both_right = [number for number in range(len(TEXTS)) if number % 20 and number % 7]
    numbers = [*only_previous_right, *both_right[:100]]
    audited = audit(serve_texts(numbers, 0), numbers, hour=0.5)

    summary = run_watch(places, now=now(1), audited=audited)

    assert (summary["rollback"]["from"], summary["rollback"]["to"]) == ("R2", "R1")
    assert Ledger(places.ledger).champion() == "R1"
    assert Ledger(places.ledger).moves()[-1].actor == "tonewatch watch"
    assert "accuracy" in Ledger(places.ledger).moves()[-1].reason
    assert any("R2 was rolled back to R1" in title for title in summary["alerts"])
    assert run_watch(places, now=now(2), audited=audited)["rollback"] is None


@pytest.mark.served(7)
def test_feedback_and_one_text_sent_often_roll_nothing_back(places: Workspace, serve_texts: Any) -> None:
    serve(places, wrong=20)
    wrong = [number for number in range(len(TEXTS)) if number % 20 == 0 and number % 7]
    entries = serve_texts((wrong * 20)[:200], 0, with_feedback=True)
    volunteered = [
        dataclasses.replace(entry, origin="feedback")
        for entry in audit(entries, (wrong * 20)[:200], hour=0.5)
    ]
    often = audit(serve_texts(wrong[:1] * 130, 0), wrong[:1] * 130, hour=0.5)

    summary = run_watch(places, now=now(1), audited=[*volunteered, *often])

    assert (summary["rollback"], summary["alerts"]) == (None, [])
    assert Ledger(places.ledger).champion() == "R2"


@pytest.mark.served(7)
def test_after_the_rollback_hours_a_release_is_not_rolled_back_automatically(
    places: Workspace, serve_texts: Any
) -> None:
    serve(places, wrong=20)
    serve_texts(mixed(1), 0)
    run_watch(places, now=now(1))
    only_previous_right = [number for number in range(len(TEXTS)) if number % 20 == 0 and number % 7]
    both_right = [number for number in range(len(TEXTS)) if number % 20 and number % 7]
    numbers = [*only_previous_right, *both_right[:100]]
    audited = audit(serve_texts(numbers, 400), numbers, hour=400.5)

    assert run_watch(places, now=now(401), audited=audited)["rollback"] is None
    assert Ledger(places.ledger).champion() == "R2"


@pytest.mark.served(7)
def test_a_release_without_a_regression_stays(places: Workspace, serve_texts: Any) -> None:
    serve(places, wrong=20)
    numbers = list(range(200))
    audited = audit(serve_texts(numbers, 0), numbers, hour=0.5)

    assert run_watch(places, now=now(1), audited=audited)["rollback"] is None
    assert Ledger(places.ledger).champion() == "R2"


@pytest.mark.served(10)
def test_predictions_dated_in_the_future_are_counted_and_belong_to_no_window(
    places: Workspace, serve_texts: Any
) -> None:
    serve_texts(mixed(1), 0)
    serve_texts(mixed(2, size=7), 960)  # forty days ahead

    summary = run_watch(places, now=now(1))

    assert (summary["windows"], summary["future"]) == (["2026-11-25T08-00-00Z"], 7)


@pytest.mark.served(10)
def test_hashed_texts_are_watched_without_the_embedding_detectors(
    places: Workspace, serve_texts: Any
) -> None:
    journal = Journal(places.journal, retention_days=9)
    journal.append(
        [dataclasses.replace(entry, text="", request=request_id(EIGHT)) for entry in serve_texts(mixed(1), 1)]
    )

    run_watch(places, now=now(2))

    detectors = window(places, 1)["topics"]["all"]["drift"]["detectors"]
    assert set(detectors) == {"label", "language", "confidence", "length", "unknown"}


@pytest.mark.served(10)
def test_new_labels_recommend_retraining(places: Workspace, serve_texts: Any) -> None:
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["schedule"]["retrain_on_labels"] = 30
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    serve_texts(mixed(1), 0, with_feedback=True)

    summary = run_watch(places, now=now(1))

    assert summary["retrain"] == "100 new labels since the data were collected"


@pytest.mark.served(10)
def test_windows_of_a_clock_that_was_ahead_are_set_aside_and_the_watch_goes_on(
    places: Workspace, serve_texts: Any
) -> None:
    serve_texts(mixed(1), 0)
    run_watch(places, now=now(1))
    serve_texts(mixed(2), 960)
    ahead = run_watch(places, now=now(961.5))["windows"]  # for an hour the clock was forty days ahead
    serve_texts(mixed(3), 1)

    summary = run_watch(places, now=now(2))

    assert summary["set_aside"] == ahead == ["2027-01-04T08-00-00Z"]
    assert (summary["windows"], summary["future"]) == (["2026-11-25T09-00-00Z"], 100)
    assert run_watch(places, now=now(2))["set_aside"] == []
    assert [path.stem for path in (places.windows / "future").iterdir()] == ahead


def test_an_invalid_time_is_rejected(places: Workspace) -> None:
    with pytest.raises(UsageError, match="Write it in UTC"):
        run_watch(places, now="yesterday")
