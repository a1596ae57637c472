"""A release that was trained on audit labels is judged by other ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from audit_fixtures import add_to_queue, queue_of

from pipeline.base.config import Workspace
from pipeline.io.registry.ledger import Ledger
from pipeline.monitoring import audit_labels

NOW = datetime.now(UTC)


def label_all(places: Workspace, *, now: datetime) -> int:
    waiting = audit_labels.read_queue(places, "ann", most=99)
    for one in waiting:
        audit_labels.record_label(places, (one.request, one.position), "positive", annotator="ann", now=now)
    return len(waiting)


def judged_by(places: Workspace) -> list[tuple[str, str]]:
    return sorted((one.release, one.cluster) for one in audit_labels.read_audit_labels(places))


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    """Return a workspace whose release R1 predicted three texts of yesterday, all labelled since."""
    places = queue_of(tmp_path / "w", ["one", "two", "three"], hours=30)
    assert label_all(places, now=NOW - timedelta(hours=20)) == 3
    return places


def release(places: Workspace, name: str, *, trains: bool) -> None:
    params = places.params.read_text("utf-8")
    if trains:
        line = "    - {kind: audit, name: audit, max_texts: 100}\n"
        params = params.replace("    - {kind: feedback", f"{line}    - {{kind: feedback", 1)
        assert line in params
    Ledger(places.ledger).add({"identity": name, "params": params})


def predict_again(places: Workspace) -> None:
    """Let R2 predict a copy of a labelled text, and a new one that is labelled tomorrow."""
    add_to_queue(places, ["one"], hours=-2, release="R2")
    add_to_queue(places, ["new"], hours=-3, release="R2", cluster="new")
    assert label_all(places, now=NOW + timedelta(days=1)) == 1


def test_a_text_that_a_release_may_have_learnt_does_not_judge_it(places: Workspace) -> None:
    release(places, "one", trains=False)
    release(places, "two", trains=True)
    predict_again(places)

    assert judged_by(places) == [("R1", "c0"), ("R1", "c1"), ("R1", "c2"), ("R2", "new")]


def test_a_release_that_did_not_train_on_audit_labels_is_judged_by_all(places: Workspace) -> None:
    release(places, "one", trains=False)
    release(places, "two", trains=False)
    predict_again(places)

    assert ("R2", "c0") in judged_by(places)


def test_a_label_given_anew_does_not_make_an_old_text_a_judge(places: Workspace) -> None:
    release(places, "one", trains=False)
    release(places, "two", trains=True)
    predict_again(places)
    shown = audit_labels.undo_label(places, "ann")
    while shown is not None and shown.text != "one":
        shown = audit_labels.undo_label(places, "ann")
    assert shown is not None
    later = NOW + timedelta(days=2)
    audit_labels.record_label(places, (shown.request, shown.position), "negative", annotator="ann", now=later)

    assert ("R2", "c0") not in judged_by(places)
