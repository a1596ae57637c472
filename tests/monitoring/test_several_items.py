"""A pass of the watch where a text has several labels, or entities: shares, drift, quality and rollback."""

import csv
from pathlib import Path
from typing import Any

import item_worlds
import numpy as np
import pytest
from item_worlds import FILLERS, LABELS, WORDS, answer_of, at, audited, journal, mixed

from pipeline.base.config import Workspace
from pipeline.base.documents.audit import Opinion
from pipeline.base.errors import UsageError
from pipeline.base.tasks import MULTI_LABEL, TOKEN_LABELS, TaskName
from pipeline.core.monitor.quality import RegressionVerdict
from pipeline.io import files
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal
from pipeline.io.params_file import load_params
from pipeline.monitoring import audit_labels
from pipeline.monitoring.auto_rollback import decide_rollback
from pipeline.monitoring.past.history import HistoryRequest
from pipeline.monitoring.past.replay import replay_file
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.watch import run_watch

DRIFT = {"learning_weeks": 1 / 7, "alarm_windows": 2, "of_windows": 3, "max_texts": 100, "resamples": 500}
TASKS = (MULTI_LABEL, TOKEN_LABELS)


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> TaskName:
    found: TaskName = request.param
    return found


@pytest.fixture
def places(tmp_path: Path, task: TaskName) -> Workspace:
    """Return a workspace of the task whose release R1 misses one word of five."""
    workspace = item_worlds.make(tmp_path / "w", task, drift={**DRIFT, "examples": 3})
    missed = list(WORDS[task])[1]
    assert item_worlds.add_release(workspace, task, {missed: ""}) == "R1"
    item_worlds.write_reference(workspace, "R1", mixed(task, 600, seed=1))
    return workspace


def window(workspace: Workspace, hour: int) -> dict[str, Any]:
    return dict(files.read_json(workspace.windows / f"{at(hour).replace(':', '-')}.json"))


def shares(task: TaskName, texts: list[str]) -> dict[str, float]:
    """Return the share of texts that hold each label."""
    has = [{label for _, _, label in item_worlds.truth_of(task, text)} for text in texts]
    return {label: float(np.mean([label in one for one in has])) for label in LABELS[task]}


def test_the_share_of_texts_with_each_label_is_corrected_by_topic(places: Workspace, task: TaskName) -> None:
    texts = mixed(task, 300)
    entries = journal(places, "R1", texts)

    run_watch(places, now=at(1), audited=audited(task, entries[::2], hour=0.9))

    topics = window(places, 0)["topics"]
    for topic in ("all", "cafe"):
        for label, truth in shares(task, texts).items():
            entry = topics[topic]["prevalence"][label]
            assert (entry["method"], entry["labels"]) == ("ppi", 150)
            assert entry["low"] <= truth <= entry["high"]
    first = next(iter(LABELS[task]))
    # The release misses a word of the first label, and labels that come together sum to more than one.
    assert topics["all"]["prevalence"][first]["raw"] < shares(task, texts)[first] - 0.1
    right = [entry.label == answer_of(task, entry.text) for entry in entries[::2]]
    observed = topics["all"]["observed"]
    assert (observed["labels"], observed["accuracy"]) == (150, pytest.approx(np.mean(right)))
    assert 0 < observed["micro_f1"] < 1
    assert topics["all"]["estimated"] is None
    assert topics["all"]["not_estimated"].startswith("the model gives each label of a text a probability")


def test_without_audit_labels_the_reason_stands_beside_the_raw_share(
    places: Workspace, task: TaskName
) -> None:
    journal(places, "R1", mixed(task, 60))

    run_watch(places, now=at(1))

    for entry in window(places, 0)["topics"]["cafe"]["prevalence"].values():
        assert (entry["corrected"], entry["share"]) == (False, entry["raw"])
        assert entry["why"] == "it has no audit label of this release within 28 days"


def test_a_label_that_comes_more_often_differs_by_its_own_detector(places: Workspace, task: TaskName) -> None:
    usual, more = LABELS[task][0], LABELS[task][1]
    word = next(word for word, label in WORDS[task].items() if label == more)
    journal(places, "R1", mixed(task, 150))
    journal(places, "R1", mixed(task, 150, seed=21, shares={word: 0.95}), hour=1.5)

    run_watch(places, now=at(2))

    calm, moved = (window(places, hour)["topics"]["cafe"]["drift"] for hour in (0, 1))
    assert not calm["drifted"]
    assert set(calm["detectors"]) >= {f"label/{label}" for label in LABELS[task]}
    assert moved["detectors"][f"label/{more}"]["drifted"]
    assert not moved["detectors"][f"label/{usual}"]["drifted"]
    assert window(places, 1)["topics"]["cafe"]["profile"]["mean"][f"label/{more}"] > 0.9


def test_a_new_release_is_bridged_label_by_label(places: Workspace, task: TaskName) -> None:
    journal(places, "R1", mixed(task, 100))
    item_worlds.add_release(places, task)
    item_worlds.write_reference(places, "R2", mixed(task, 600, seed=1))
    journal(places, "R2", mixed(task, 100, seed=22), hour=1.5)

    run_watch(places, now=at(2))

    change = window(places, 1)["model_change"]
    first, *others = LABELS[task]
    # R2 finds the word that R1 misses.
    assert change["labels"][first]["low"] > 0.05
    assert [change["labels"][label]["difference"] for label in others] == [0] * len(others)


def judged_pair(places: Workspace, task: TaskName, changed: dict[str, str]) -> RegressionVerdict:
    """Put a second release in service, and return how it is judged by 300 labelled texts."""
    item_worlds.add_release(places, task, changed)
    labels = audited(task, journal(places, "R2", mixed(task, 300)), hour=0.9)
    decision = decide_rollback(
        places,
        Journal.reading(places.journal),
        ReferenceCache(places),
        labels,
        now=at(1),
        params=load_params(places.params),
    )
    assert decision.verdict is not None
    return decision.verdict


def test_a_release_that_misses_more_is_degraded_by_the_f1_of_each_text(
    places: Workspace, task: TaskName
) -> None:
    first, missed, other, *_ = WORDS[task]
    verdict = judged_pair(places, task, dict.fromkeys((first, missed, other), ""))

    assert verdict.degraded
    assert "R2 has a mean F1 of the items of a text of 0." in verdict.reason


def test_a_release_that_finds_more_stays(places: Workspace, task: TaskName) -> None:
    verdict = judged_pair(places, task, {})

    assert not verdict.degraded
    assert verdict.figures is not None
    assert verdict.figures.champion == 1.0
    assert verdict.figures.drop < -0.1


def test_a_label_of_a_person_is_of_the_form_of_the_task(places: Workspace, task: TaskName) -> None:
    journal(places, "R1", mixed(task, 60))
    run_watch(places, now=at(2))
    text = audit_labels.read_queue(places, "ann")[0]
    answer = answer_of(task, text.text)

    for wrong in ("happy", LABELS[task][0] if task == TOKEN_LABELS else "[]", ""):
        with pytest.raises(UsageError, match=r"is no label|is no JSON|is no list|has a label that"):
            audit_labels.record_label(places, (text.request, text.position), wrong, annotator="ann")
    counted = audit_labels.record_label(places, (text.request, text.position), answer, annotator="ann")

    (label,) = audit_labels.read_audit_labels(places)
    assert counted == label.label == answer
    status = audit_labels.audit_status(places, load_params(places.params))
    assert status["topics"][0]["labels"] == 1


def test_a_label_of_another_task_counts_nowhere(places: Workspace, task: TaskName) -> None:
    journal(places, "R1", mixed(task, 60))
    run_watch(places, now=at(2))
    drawn = next(AuditQueue(places.journal).waiting("ann"))
    AuditQueue(places.journal).add_opinions([Opinion(drawn.cluster, "ann", "sunny", at(1.5))])

    assert list(audit_labels.read_audit_labels(places)) == []
    run_watch(places, now=at(3))


def test_a_table_of_the_past_is_reported_where_its_texts_stand(
    places: Workspace, task: TaskName, tmp_path: Path
) -> None:
    path = tmp_path / "past.csv"
    texts = [f"  <p>{text} &amp; {FILLERS[0]}" for text in mixed(task, 80)]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [[text, at(0.25), "cafe"] for text in texts]
        csv.writer(file).writerows([["text", "time", "topic"], *rows])

    history, replayed = replay_file(places, HistoryRequest(path), now=at(4))

    assert (history.predicted, replayed and replayed["predictions"]) == (80, 80)
    entries = item_worlds.stored(places)
    missed = [list(WORDS[task])[1]]
    assert [entry.label for entry in entries] == [
        answer_of(task, entry.text, missed=missed) for entry in entries
    ]
