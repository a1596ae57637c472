"""Texts with their own time, id and topics: what /v1/predict takes, refuses, and stores."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import running_service
from running_service import RunningService

from pipeline.io.journal.journal import Journal


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    workspace = running_service.make_workspace(tmp_path_factory.mktemp("items") / "w")
    with running_service.running(workspace) as found:
        yield found


def send(service: RunningService, *texts: Any, **more: Any) -> httpx.Response:
    return service.client.post("/v1/predict", json={"texts": list(texts), **more})


def stored(service: RunningService, response: httpx.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return Journal.reading(service.workspace.journal).of_requests([response.json()["request"]])


def test_time_id_and_topics_of_a_text_are_stored_beside_plain_texts(service: RunningService) -> None:
    item = {"text": "word2", "time": "2025-06-01T10:00:00+02:00", "id": "post/17", "topics": ["acme", "tv"]}

    plain, own = stored(service, send(service, "word1", item, topic="phones"))

    assert (plain.event_time, plain.written, plain.text_id, plain.topics) == (plain.time, "", "", ("phones",))
    assert (own.event_time, own.text_id) == ("2025-06-01T08:00:00.000000Z", "post/17")
    assert own.topics == ("acme", "tv")


def test_topics_of_the_request_hold_for_every_text_without_its_own(service: RunningService) -> None:
    entries = stored(service, send(service, "word1", {"text": "word2"}, topics=["tv", "acme", "tv"]))

    assert [entry.topics for entry in entries] == [("tv", "acme")] * 2


def test_a_clock_that_is_a_little_ahead_counts_as_now(service: RunningService) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()

    (entry,) = stored(service, send(service, {"text": "word1", "time": ahead}))

    assert entry.event_time == entry.time


def test_copies_of_a_text_are_one_cluster_whatever_a_platform_adds(service: RunningService) -> None:
    texts = [
        "word1 word2 word3",
        "RT @joe: Word1 word2, word3!",
        "word1 word2 word3 https://x.example/1",
        "word9",
    ]

    clusters = [entry.cluster for entry in stored(service, send(service, *texts))]

    assert len(set(clusters[:3])) == 1
    assert clusters[3] != clusters[0]


@pytest.mark.parametrize(
    ("item", "where", "what"),
    [
        ({"text": "a", "time": "yesterday"}, "texts.1.time", "datetime"),
        ({"text": "a", "time": "2026-11-25T08:00:00"}, "texts.1.time", "timezone"),
        ({"text": "a", "time": 1764057600}, "texts.1.time", "2026-11-25T08:00:00Z"),
        ({"text": "a", "time": "2199-01-01T00:00:00Z"}, "texts.1.time", "after now"),
        ({"text": "a", "time": "1066-10-14T09:00:00Z"}, "texts.1.time", "before 1970"),
        ({"text": "a", "id": "joe@x.example"}, "texts.1.id", "pattern"),
        ({"text": "a", "id": ""}, "texts.1.id", "pattern"),
        ({"text": "a", "topics": []}, "texts.1.topics", "at least 1"),
        ({"text": "a", "topics": [f"t{number}" for number in range(9)]}, "texts.1.topics", "at most 8"),
        ({"text": "a", "topics": ["a b"]}, "texts.1.topics.0", "pattern"),
        ({"text": "a", "topics": ["all"]}, "", "reserved"),
        ({"time": "2026-11-25T08:00:00Z"}, "texts.1.text", "required"),
        ({"text": "a", "<b>": 1}, "texts.1.?", "not permitted"),
        (17, "texts.1", "valid dictionary"),
        (None, "texts.1", "valid dictionary"),
    ],
)
def test_a_wrong_item_is_refused_with_its_place(
    service: RunningService, item: Any, where: str, what: str
) -> None:
    response = send(service, "word1", item)

    assert response.status_code == 422
    assert where in response.json()["error"]
    assert what in response.json()["error"]
    assert "<b>" not in response.text


WORDS = {"soup": "negative", "waiter": "positive"}
SAID = "the food and the people"


@pytest.fixture(scope="module")
def aspects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    workspace = running_service.serve_toy(
        tmp_path_factory.mktemp("aspects") / "w",
        WORDS,
        {"task": "aspect", "preparation": "2-masked-targets"},
    )
    with running_service.running(workspace) as found:
        yield found


def test_each_target_of_a_text_has_its_own_prediction_and_stays_in_the_journal(
    aspects: RunningService,
) -> None:
    response = send(aspects, *({"text": SAID, "target": target} for target in WORDS))

    entries = stored(aspects, response)

    assert [one["best"] for one in response.json()["predictions"]] == ["negative", "positive"]
    assert [entry.text for entry in entries] == [f"{SAID}\nsoup", f"{SAID}\nwaiter"]
    assert entries[0].digest != entries[1].digest


def test_an_address_in_a_target_is_masked(aspects: RunningService) -> None:
    (entry,) = stored(aspects, send(aspects, {"text": SAID, "target": "joe@x.example"}))

    assert entry.text == f"{SAID}\n[email]"


@pytest.mark.parametrize("item", [SAID, {"text": SAID}, {"text": f"{SAID}\nsoup"}])
def test_a_text_without_a_target_is_refused_where_targets_are_labelled(
    aspects: RunningService, item: Any
) -> None:
    response = send(aspects, {"text": SAID, "target": "soup"}, item)

    assert response.status_code == 422
    assert "texts.1: it has no target" in response.json()["error"]


@pytest.mark.parametrize(("target", "what"), [("  ", "pattern"), ("x" * 201, "at most 200")])
def test_an_empty_or_endless_target_is_refused(aspects: RunningService, target: str, what: str) -> None:
    response = send(aspects, {"text": SAID, "target": target})

    assert response.status_code == 422
    assert what in response.json()["error"]


def test_a_target_is_refused_where_whole_texts_are_labelled(service: RunningService) -> None:
    response = send(service, "word1", {"text": "word2", "target": "word2"})

    assert response.status_code == 422
    assert "texts.1.target: this release labels texts as a whole (task single_label)" in response.text


def test_several_labels_of_a_text_are_a_list_and_one_label_is_none(
    service: RunningService, tmp_path: Path
) -> None:
    settings = {"task": "multi_label", "thresholds": [0.6, 0.6, 0.6]}
    with running_service.running(running_service.serve_toy(tmp_path / "w", WORDS, settings)) as several:
        two, none = send(several, "soup waiter", "bread").json()["predictions"]

    assert (two["best"], two["labels"]) == ("negative + positive", ["negative", "positive"])
    assert (none["best"], none["labels"]) == ("no label", [])
    assert {"labels", "spans"}.isdisjoint(send(service, "word1").json()["predictions"][0])
