"""Feedback of several labels, and where the journal keeps the entities of a text that is masked."""

from pathlib import Path

import item_worlds
import pytest
import running_service

from pipeline.base.tasks import MULTI_LABEL, TOKEN_LABELS
from pipeline.io.journal.journal import Journal

CASES = [
    ({"labels": ["service", "food"]}, 200, "food + service"),
    ({"label": "price + food"}, 200, "food + price"),
    ({"labels": []}, 200, "no label"),
    ({"labels": ["food", "joy"]}, 422, ""),
    ({"label": "food", "labels": ["food"]}, 422, ""),
    ({}, 422, ""),
]


def test_feedback_names_all_labels_that_are_true(tmp_path: Path) -> None:
    workspace = item_worlds.make(tmp_path / "w", MULTI_LABEL)
    item_worlds.add_release(workspace, MULTI_LABEL)
    with running_service.running(workspace) as service:
        for body, status, stored in CASES:
            request = service.predict("soup waiter").json()["request"]
            response = service.client.post("/v1/feedback", json={"request": request, "position": 0, **body})

            assert response.status_code == status, (body, response.text)
            found = [
                one.label for one in Journal.reading(workspace.journal).labels() if one.request == request
            ]
            assert found == ([stored] if stored else [])


@pytest.mark.parametrize("preparation", ["2", "2-masked"])
def test_entities_lie_where_they_are_in_the_stored_text(tmp_path: Path, preparation: str) -> None:
    workspace = item_worlds.make(tmp_path / "w", TOKEN_LABELS)
    item_worlds.add_release(workspace, TOKEN_LABELS, preparation=preparation)
    text = "  <p>ann@example.com met Ann in Lima"
    with running_service.running(workspace) as service:
        (answer,) = service.predict(text).json()["predictions"]
        request = {"request": "2026112508-00000000000000000000", "position": 0, "label": "[]"}
        refused = service.client.post("/v1/feedback", json=request)

    (entry,) = item_worlds.stored(workspace)
    assert [(one["text"], one["label"]) for one in answer["spans"]] == [("Ann", "person"), ("Lima", "place")]
    assert entry.text == "[email] met Ann in Lima"
    assert entry.label == item_worlds.answer_of(TOKEN_LABELS, entry.text)
    assert "drawn at /labels" in refused.json()["error"]
