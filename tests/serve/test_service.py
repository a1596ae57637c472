"""The service over real HTTP: what it answers, what it keeps, and what it tells of itself."""

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import served
from served import Listening

from pipeline.io.journal.journal import Journal
from pipeline.serve.http import timeout_protocol
from pipeline.serve.main import build_app


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Serve one release, to be asked by every test of this file that changes nothing."""
    with served.listening(served.world(tmp_path_factory.mktemp("service") / "w")) as found:
        yield found


def test_every_text_gets_a_label_and_the_answer_says_who_gave_it(service: Listening) -> None:
    answer = service.client.post(
        "/v1/predict", json={"texts": ["word1", "word2 word3"], "topic": "phones"}
    ).json()

    assert served.labels_of(answer) == {"negative"}
    assert (answer["release"], answer["data_version"], len(answer["model"])) == ("R1", "v1", 16)
    # e^3 / (e^3 + 2) by hand: the toy's logits are 3, 0, 0.
    assert answer["answers"][0]["probabilities"]["negative"] == pytest.approx(0.909443, abs=1e-6)


def test_below_the_threshold_the_label_is_uncertain_and_the_best_one_stays_visible(
    service: Listening,
) -> None:
    (one,) = service.predict("nobody taught this").json()["answers"]

    # Three equal thirds lie below the toy's threshold of 0.4.
    assert (one["label"], one["best"], one["uncertain"]) == ("uncertain", "negative", True)


def test_answers_come_in_the_order_of_their_texts_however_they_are_batched(service: Listening) -> None:
    texts = ["word1", "what is this", "word2 word3 word4", "never heard", "word5"] * 12

    told = [one["uncertain"] for one in service.predict(*texts).json()["answers"]]

    assert told == [False, True, False, True, False] * 12


def test_the_journal_holds_the_answer_masked_before_it_leaves(service: Listening) -> None:
    answer = service.predict("write to ann@example.com or call +1 650 253 0000").json()

    (entry,) = [one for one in served.entries(service.places) if one["request"] == answer["request"]]
    assert entry["text"] == "write to [email] or call [telephone]"
    assert (entry["release"], entry["topic"], entry["client"], entry["position"]) == (
        "R1",
        "general",
        "127.0.0.1",
        0,
    )
    assert "ann@example.com" not in served.kept(service.places)


def test_a_true_label_of_a_past_answer_is_kept_beside_it(service: Listening) -> None:
    asked = service.predict("word1", "word2").json()["request"]

    told = service.client.post("/v1/feedback", json={"request": asked, "position": 1, "label": "positive"})

    assert (told.status_code, told.json()) == (200, {"kept": True})
    (entry,) = [one for one in Journal.reading(service.places.journal).labels() if one.request == asked]
    assert (entry.position, entry.label, entry.text, entry.topic) == (1, "positive", "word2", "general")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"label": "angry"}, 422),
        ({"label": "uncertain"}, 422),
        ({"position": 2}, 404),
        ({"position": -1}, 422),
        ({"request": "2026112508-00000000000000000000"}, 404),
        ({"request": "../../keys"}, 422),
        ({"request": "2026112508-\ud8000000000000000000"}, 422),
        ({"request": "2026999999-00000000000000000000"}, 404),
    ],
)
def test_a_true_label_of_nothing_that_was_answered_is_refused(
    service: Listening, change: dict[str, object], status: int
) -> None:
    asked = service.predict("word1", "word2").json()["request"]
    told = {"request": asked, "position": 0, "label": "positive", **change}

    refused = service.client.post(
        "/v1/feedback", content=json.dumps(told), headers={"content-type": "application/json"}
    )

    assert refused.status_code == status
    assert set(refused.json()) == {"error", "request"}


def test_it_says_which_release_answers_and_that_the_ledger_can_be_asked(service: Listening) -> None:
    told = service.client.get("/v1/release").json()

    assert (told["release"], told["labels"], told["refused"]) == (
        "R1",
        ["negative", "neutral", "positive"],
        None,
    )
    assert told["ledger_unreachable_since"] is None


def test_meters_count_requests_texts_and_the_release_in_service(service: Listening) -> None:
    before = service.meter("tonewatch_texts_total", label="negative", release="R1")

    service.predict("word1", "word2")

    assert service.meter("tonewatch_texts_total", label="negative", release="R1") == before + 2
    assert service.meter("tonewatch_release", data_version="v1", release="R1") == 1
    assert service.meter("tonewatch_requests_total", route="POST /v1/predict", status="200") > 0


def test_two_apps_in_one_process_count_each_for_itself(service: Listening, tmp_path: Path) -> None:
    service.predict()

    with served.listening(served.world(tmp_path / "other")) as other:
        assert other.meter("tonewatch_requests_total", route="POST /v1/predict", status="200") == 0


def test_the_openapi_document_has_an_example_of_every_body(service: Listening) -> None:
    document = service.client.get("/openapi.json").json()

    assert set(document["paths"]) == {"/v1/predict", "/v1/feedback", "/v1/release"}
    assert all(
        document["components"]["schemas"][name]["examples"]
        for name in ("PredictIn", "PredictOut", "FeedbackIn")
    )


@pytest.mark.parametrize(
    "path",
    ["/docs", "/redoc", "/docs/oauth2-redirect", "/v1", "/v1/predict/", "/%2e%2e/params.yaml", "/v1/../keys"],
)
def test_nothing_lies_at_any_other_address(service: Listening, path: str) -> None:
    assert service.client.get(path).status_code == 404


def test_without_a_release_it_lives_and_is_not_ready_until_one_is_promoted(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", releases=0)
    with served.listening(places, ready=False) as service:
        assert service.client.get("/healthz").status_code == 200
        assert service.client.get("/readyz").status_code == 503
        refused = service.predict()
        assert (refused.status_code, "tonewatch run" in refused.json()["error"]) == (503, True)

        served.move(places, served.release(places, always="neutral"))

        served.until(lambda: service.client.get("/readyz").status_code == 200)
        assert served.labels_of(service.predict().json()) == {"neutral"}


def test_by_setting_the_journal_keeps_no_text_but_its_hash(tmp_path: Path) -> None:
    with served.listening(
        served.world(tmp_path / "w", journal={"texts": "hash", "retention_days": 90})
    ) as service:
        service.predict("word1 canary")
        service.predict("word1 canary")

        first, second = served.entries(service.places)
        assert (first["text"], first["digest"]) == ("", second["digest"])
        assert "canary" not in served.kept(service.places)


def test_the_clock_that_is_handed_in_dates_the_journal(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    past = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)

    with served.listening(places, app=build_app(places, host="127.0.0.1", now=lambda: past)) as service:
        asked = service.predict().json()["request"]

        assert asked.startswith("2031050607-")
        assert [one["time"] for one in served.entries(places)] == ["2031-05-06T07:08:09.000000Z"]
        assert (
            service.client.post(
                "/v1/feedback", json={"request": asked, "position": 0, "label": "neutral"}
            ).status_code
            == 200
        )


def test_a_journal_that_cannot_write_loses_no_answer(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    with served.listening(places) as service:
        places.journal.mkdir(exist_ok=True)
        # A file where a folder must be: it stops root too, which a mode would not.
        (places.journal / "answers").write_text("")

        answered = service.predict("word1", "word2")

        assert (answered.status_code, served.labels_of(answered.json())) == (200, {"negative"})
        assert service.meter("tonewatch_journal_failures_total") == 2
        told = service.client.post(
            "/v1/feedback", json={"request": answered.json()["request"], "position": 0, "label": "positive"}
        )
        assert (told.status_code, str(places.root) in told.text) == (404, False)
        (places.journal / "answers").unlink()
        service.predict("word3")
        assert [one["text"] for one in served.entries(places)] == ["word3"]


def test_feedback_that_cannot_be_kept_is_not_said_to_be_kept(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    with served.listening(places) as service:
        asked = service.predict().json()["request"]
        (places.journal / "feedback").write_text("")

        told = service.client.post(
            "/v1/feedback", json={"request": asked, "position": 0, "label": "positive"}
        )

        assert (told.status_code, set(told.json())) == (503, {"error", "request"})
        assert str(places.root) not in told.text


def test_what_was_answered_is_sealed_when_the_service_ends(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    with served.listening(places) as service:
        service.predict("word1", "word2")

    assert list(places.journal.glob("answers/*/*.jsonl")) == []
    assert len(list(Journal.reading(places.journal).answers("2000", "9999"))) == 2


def test_a_line_too_many_is_told_so_and_those_that_were_there_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeout_protocol, "MOST_LINES", 3)
    with served.listening(served.world(tmp_path / "w")) as service, contextlib.ExitStack() as held:
        lines = [
            held.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", service.port), 10)))
            for _ in range(3)
        ]

        assert lines[-1].recv(99).startswith(b"HTTP/1.1 503 ")
        assert service.predict().status_code == 200
        held.close()
        served.until(lambda: httpx.get(f"http://127.0.0.1:{service.port}/healthz").status_code == 200)
