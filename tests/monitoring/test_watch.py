"""A pass of the watch over a real journal: what it writes, whom it tells, and when it goes back."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from world import LABELS, TEXTS, build, serve

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.records import SPLITS, Feedback, JournalEntry, Receipt
from pipeline.io import alerts, files, parquet
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.monitoring.reference import ReleaseReference
from pipeline.monitoring.watch import run_watch

EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
WATCH = {
    "min_texts": 40,
    "overlap_texts": 100,
    "resamples": 200,
    "drift": {
        "false_alarms_per_quarter": 1.0,
        "alarm_windows": 2,
        "of_windows": 3,
        "max_texts": 100,
        "resamples": 500,
        "examples": 3,
    },
}


def now(hour: float) -> str:
    return (EIGHT + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def places(workspace: Path, mlflow_uri: str) -> Workspace:
    """Give a workspace under git and DVC with data version v1, in which no release serves yet."""
    lock = (workspace / "dvc.lock").read_bytes()
    places = build(workspace, mlflow_uri)
    (workspace / "dvc.lock").write_bytes(lock)
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["watch"] |= WATCH
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    counts = dict.fromkeys(SPLITS, 0) | {"test": len(TEXTS), "test/source/tweet": len(TEXTS)}
    with files.staging_dir(workspace / "data" / "splits") as staging:
        for side in SPLITS:
            parquet.write_texts(staging / f"{side}.parquet", TEXTS if side == "test" else [])
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": "f" * 64}))
    for stage in ("validate", "split"):
        DvcCache(workspace).commit(stage)
    assert data_versions.keep_data_version(workspace, "a test").name == "v1"
    return places


@pytest.fixture
def say(places: Workspace) -> Callable[..., list[JournalEntry]]:
    """Give a function that lets the champion answer texts, by their numbers, in some hour, as the service would."""
    journal = Journal(places.journal, retention_days=9)

    def _say(
        numbers: Sequence[int], hour: float, topic: str = "general", told: bool = False
    ) -> list[JournalEntry]:
        champion = ReleaseReference.of(places, str(Ledger(places.ledger).current()))
        texts = [TEXTS[number].text for number in numbers]
        answers = champion.predictor.predict(texts)
        when = EIGHT + timedelta(hours=hour)
        made = [
            JournalEntry(
                request=request_id(when),
                position=0,
                time=(when + timedelta(seconds=row)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                text=text,
                digest=hashlib.sha256(text.encode()).hexdigest(),
                label=answers.labels[row],
                uncertain=answers.uncertain[row],
                probabilities=tuple(answers.probabilities[row].tolist()),
                release=champion.name,
                data_version="v1",
                client="shop",
                topic=topic,
                lang="und",
                words=1,
                unknown=answers.unknown[row],
            )
            for row, text in enumerate(texts)
        ]
        journal.append(made)
        if told:
            pairs = zip(made, numbers, strict=True)
            journal.feedback(
                [
                    Feedback(a.request, 0, a.time, TEXTS[number].label, "shop", a.text, topic)
                    for a, number in pairs
                ]
            )
        return made

    return _say


def mixed(seed: int, size: int = 100) -> list[int]:
    """Draw texts as the test split has them."""
    return [(seed * 7919 + step * 131) % len(TEXTS) for step in range(size)]


def window(places: Workspace, hour: int) -> dict[str, Any]:
    return dict(files.read_json(places.windows / f"{now(hour).replace(':', '-')}.json"))


def test_a_window_tells_shares_that_hold_the_truth_and_no_alarm(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    numbers = mixed(1)
    say(numbers, 0)

    seen = run_watch(places, now=now(1))

    assert (seen["windows"], seen["alerts"], seen["moved"], seen["retrain"]) == (
        ["2026-11-25T08-00-00Z"],
        [],
        None,
        None,
    )
    topic = window(places, 0)["topics"]["all"]
    for label in LABELS:
        truth = sum(TEXTS[number].label == label for number in numbers) / len(numbers)
        assert topic["shares"][label]["low"] <= truth <= topic["shares"][label]["high"]
    assert topic["drift"]["drifted"] is False
    assert topic["estimated"]["low"] < topic["estimated"]["high"]
    assert window(places, 0)["releases"] == {"R1": 100}


def test_a_topic_named_as_a_source_is_compared_with_a_quarter_as_many_texts_as_its_own(
    places: Workspace, say: Any
) -> None:
    serve(places, wrong=10)
    say(mixed(1), 0, topic="tweet")
    say(mixed(2), 0, topic="phones")

    run_watch(places, now=now(1))

    topics = window(places, 0)["topics"]
    assert topics["phones"]["drift"]["texts"] == 100
    assert 0.9 * len(TEXTS) / 4 <= topics["tweet"]["drift"]["texts"] <= len(TEXTS) / 4
    assert topics["tweet"]["drift"]["drifted"] is False


def test_a_window_is_watched_once_and_only_when_it_has_ended(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    say(mixed(1), 0)
    say(mixed(2), 1)

    assert run_watch(places, now=now(1.9))["windows"] == ["2026-11-25T08-00-00Z"]
    assert run_watch(places, now=now(1.95))["windows"] == []
    assert run_watch(places, now=now(2))["windows"] == ["2026-11-25T09-00-00Z"]


def test_drift_that_lasts_is_told_once_and_asks_for_a_training(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    positive = [number for number in range(len(TEXTS)) if TEXTS[number].label == "positive"]
    for hour in range(2):
        say(mixed(hour), hour)
    for hour in range(2, 6):
        say(positive[:100], hour)

    quiet, loud = run_watch(places, now=now(2)), run_watch(places, now=now(4))
    later = run_watch(places, now=now(6))

    assert quiet["alerts"] == []
    assert any("Drift" in title for title in loud["alerts"])
    assert "Drift" in loud["retrain"]
    assert not any("Drift" in title for title in later["alerts"])
    alert = next(entry.alert for entry in alerts.list_outbox(places.alerts) if entry.alert.kind == "drift")
    assert "word" not in alert.message  # ids, and no text of anyone


def test_ten_times_the_traffic_is_no_drift(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    for hour in range(4):
        say(mixed(hour, size=100 if hour < 2 else 1000), hour)

    assert [title for title in run_watch(places, now=now(4))["alerts"] if "Drift" in title] == []


def test_a_change_of_the_model_is_marked_and_measured(places: Workspace, say: Any) -> None:
    serve(places, wrong=5)
    say(mixed(1), 0)
    serve(places, wrong=40)
    say(mixed(2), 1)

    run_watch(places, now=now(2))

    assert window(places, 0)["break"] is None
    found = window(places, 1)["break"]
    assert (found["from"], found["to"], found["texts"]) == ("R1", "R2", 100)
    assert set(found["labels"]) == set(LABELS)


def test_a_release_that_surely_fails_is_taken_back_with_the_reason(places: Workspace, say: Any) -> None:
    serve(places, wrong=7)
    serve(places, wrong=20)
    # What R2 gets wrong and R1 gets right, beside as much of what both get right.
    bad = [number for number in range(len(TEXTS)) if number % 20 == 0 and number % 7]
    good = [number for number in range(len(TEXTS)) if number % 20 and number % 7]
    say([*(bad * 12)[:120], *good[:120]], 0, told=True)

    seen = run_watch(places, now=now(1))

    assert (seen["moved"]["from"], seen["moved"]["to"]) == ("R2", "R1")
    assert Ledger(places.ledger).current() == "R1"
    assert Ledger(places.ledger).moves()[-1].actor == "tonewatch watch"
    assert "accuracy" in Ledger(places.ledger).moves()[-1].reason
    assert any("R2 was rolled back to R1" in title for title in seen["alerts"])
    assert run_watch(places, now=now(2))["moved"] is None


def test_after_its_baking_time_a_release_is_no_longer_taken_back_by_itself(
    places: Workspace, say: Any
) -> None:
    serve(places, wrong=7)
    serve(places, wrong=20)
    say(mixed(1), 0)
    bad = [number for number in range(len(TEXTS)) if number % 20 == 0 and number % 7]
    say((bad * 20)[:200], 100, told=True)

    assert run_watch(places, now=now(101))["moved"] is None
    assert Ledger(places.ledger).current() == "R2"


def test_a_release_that_does_well_stays(places: Workspace, say: Any) -> None:
    serve(places, wrong=7)
    serve(places, wrong=20)
    say(mixed(1, size=200), 0, told=True)

    assert run_watch(places, now=now(1))["moved"] is None
    assert Ledger(places.ledger).current() == "R2"


def test_answers_dated_ahead_are_counted_and_belong_to_no_window(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    say(mixed(1), 0)
    say(mixed(2, size=7), 960)  # forty days ahead

    seen = run_watch(places, now=now(1))

    assert (seen["windows"], seen["future"]) == (["2026-11-25T08-00-00Z"], 7)


def test_texts_kept_as_hashes_are_watched_without_their_meaning(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    journal = Journal(places.journal, retention_days=9)
    journal.append(
        [dataclasses.replace(answer, text="", request=request_id(EIGHT)) for answer in say(mixed(1), 1)]
    )

    run_watch(places, now=now(2))

    detectors = window(places, 1)["topics"]["all"]["drift"]["detectors"]
    assert "label" in detectors


def test_new_true_labels_ask_for_a_training(places: Workspace, say: Any) -> None:
    serve(places, wrong=10)
    params = yaml.safe_load(places.params.read_text("utf-8"))
    params["schedule"]["retrain_on_labels"] = 30
    places.params.write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    say(mixed(1), 0, told=True)

    seen = run_watch(places, now=now(1))

    assert "true labels are new" in seen["retrain"]


def test_a_time_that_is_none_is_refused(places: Workspace) -> None:
    with pytest.raises(UsageError, match="Write it in UTC"):
        run_watch(places, now="yesterday")
