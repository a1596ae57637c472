"""The service over real HTTP: predictions, journal, feedback, metrics and state."""

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import running_service
from journal_fixtures import make_entries
from running_service import RunningService

from pipeline.base.digests import keyed_digest, text_digest
from pipeline.io.alerts import list_outbox
from pipeline.io.journal.journal import Journal
from pipeline.serve.build import build_app
from pipeline.serve.http import timeout_protocol


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Serve one release to the tests that change nothing."""
    with running_service.running(
        running_service.make_workspace(tmp_path_factory.mktemp("service") / "w")
    ) as found:
        yield found


def test_every_text_gets_a_label_and_the_response_names_the_release(service: RunningService) -> None:
    response = service.client.post(
        "/v1/predict", json={"texts": ["word1", "word2 word3"], "topic": "phones"}
    ).json()

    assert running_service.labels_of(response) == {"negative"}
    assert (response["release"], response["data_version"], len(response["model"])) == ("R1", "v1", 16)
    # e^3 / (e^3 + 2) by hand: the toy's logits are 3, 0, 0.
    assert response["predictions"][0]["probabilities"]["negative"] == pytest.approx(0.909443, abs=1e-6)


def test_below_the_threshold_the_label_is_uncertain(
    service: RunningService,
) -> None:
    (one,) = service.predict("nobody taught this").json()["predictions"]

    # Three equal thirds lie below the toy's threshold of 0.4.
    assert (one["label"], one["best"], one["uncertain"]) == ("uncertain", "negative", True)


def test_predictions_keep_the_order_of_texts(service: RunningService) -> None:
    texts = ["word1", "what is this", "word2 word3 word4", "never heard", "word5"] * 12

    response = [one["uncertain"] for one in service.predict(*texts).json()["predictions"]]

    assert response == [False, True, False, True, False] * 12


def test_the_journal_has_the_masked_text_before_the_response(service: RunningService) -> None:
    response = service.predict("write to ann@example.com or call +1 650 253 0000").json()

    (entry,) = [
        one
        for one in running_service.journal_entries(service.workspace)
        if one["request"] == response["request"]
    ]
    assert entry["text"] == "write to [email] or call [telephone]"
    assert (entry["release"], entry["topic"], entry["client"], entry["position"]) == (
        "R1",
        "general",
        service.client.headers["authorization"].split("_")[1],
        0,
    )
    assert b"ann@example.com" not in running_service.journal_bytes(service.workspace)


def test_feedback_is_stored_with_its_prediction(service: RunningService) -> None:
    request_id = service.predict("word1", "word2").json()["request"]

    response = service.client.post(
        "/v1/feedback", json={"request": request_id, "position": 1, "label": "positive"}
    )

    assert (response.status_code, response.json()) == (200, {"stored": True})
    assert Journal.reading(service.workspace.journal).find(request_id, 1)
    (entry,) = [
        one for one in Journal.reading(service.workspace.journal).labels() if one.request == request_id
    ]
    assert (entry.position, entry.label, entry.topic) == (1, "positive", "general")


def test_a_label_is_stored_once_and_another_one_is_refused(service: RunningService) -> None:
    body = {"request": service.predict("word1").json()["request"], "position": 0}

    answers = [
        service.client.post("/v1/feedback", json={**body, "label": label})
        for label in ["positive"] * 400 + ["neutral", "positive"]
    ]

    assert [answer.status_code for answer in answers] == [200] * 400 + [409, 200]
    assert "has your label 'positive' already" in answers[-2].json()["error"]
    labels = [
        one for one in Journal.reading(service.workspace.journal).labels() if one.request == body["request"]
    ]
    assert [one.label for one in labels] == ["positive"]


def test_a_label_is_accepted_from_the_client_of_the_prediction_only(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    (_, own), (_, other) = (running_service.create_key(workspace, "predict", "feedback") for _ in range(2))
    with running_service.running(workspace) as service:
        request_id = service.predict(headers=own).json()["request"]
        body = {"request": request_id, "position": 0, "label": "positive"}

        foreign = service.client.post("/v1/feedback", json=body, headers=other)
        unknown = service.client.post("/v1/feedback", json={**body, "position": 7}, headers=other)
        mine = service.client.post("/v1/feedback", json=body, headers=own)

    # The two answers are alike, so nobody learns which requests exist.
    assert (foreign.status_code, unknown.status_code, mine.status_code) == (404, 404, 200)
    assert foreign.json()["error"] == unknown.json()["error"]
    assert len(list(Journal.reading(workspace.journal).labels())) == 1


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
        ({"request": "2026112508-0000000000000000000000000000"}, 404),
        ({"request": "2026112508-000000000000000000000"}, 422),
    ],
)
def test_feedback_without_a_prediction_is_rejected(
    service: RunningService, change: dict[str, object], status: int
) -> None:
    request_id = service.predict("word1", "word2").json()["request"]
    response = {"request": request_id, "position": 0, "label": "positive", **change}

    rejected = service.client.post(
        "/v1/feedback", content=json.dumps(response), headers={"content-type": "application/json"}
    )

    assert rejected.status_code == status
    assert set(rejected.json()) == {"error", "request"}


def test_the_release_and_the_state_of_the_ledger_are_reported(service: RunningService) -> None:
    response = service.client.get("/v1/release").json()

    assert (response["release"], response["labels"], response["refused"]) == (
        "R1",
        ["negative", "neutral", "positive"],
        None,
    )
    assert response["ledger_unreachable_since"] is None


def test_metrics_count_requests_and_predictions(service: RunningService) -> None:
    before = service.metric("tonewatch_predictions_total", label="negative", release="R1")

    service.predict("word1", "word2")

    assert service.metric("tonewatch_predictions_total", label="negative", release="R1") == before + 2
    assert service.metric("tonewatch_champion_info", data_version="v1", release="R1") == 1
    assert service.metric("tonewatch_requests_total", route="POST /v1/predict", status="200") > 0


def test_two_apps_in_one_process_count_separately(service: RunningService, tmp_path: Path) -> None:
    service.predict()

    with running_service.running(running_service.make_workspace(tmp_path / "other")) as other:
        assert other.metric("tonewatch_requests_total", route="POST /v1/predict", status="200") == 0


def test_openapi_has_an_example_of_every_body(service: RunningService) -> None:
    document = service.client.get("/openapi.json").json()

    assert set(document["paths"]) == {"/v1/predict", "/v1/feedback", "/v1/release", "/v1/prevalence"}
    assert all(
        document["components"]["schemas"][name]["examples"]
        for name in ("PredictRequest", "PredictResponse", "FeedbackRequest")
    )


@pytest.mark.parametrize(
    "path",
    [
        "/docs/nosuch.js",
        "/redoc",
        "/docs/oauth2-redirect",
        "/v1",
        "/v1/predict/",
        "/%2e%2e/params.yaml",
        "/v1/../keys",
    ],
)
def test_unknown_paths_are_404(service: RunningService, path: str) -> None:
    assert service.client.get(path).status_code == 404


def test_without_a_release_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    with running_service.running(workspace, ready=False) as service:
        assert service.client.get("/healthz").status_code == 200
        assert service.client.get("/readyz").status_code == 503
        rejected = service.predict()
        assert (rejected.status_code, "tonewatch run" in rejected.json()["error"]) == (503, True)

        running_service.promote(workspace, running_service.add_release(workspace, label="neutral"))

        running_service.wait_until(lambda: service.client.get("/readyz").status_code == 200)
        assert running_service.labels_of(service.predict().json()) == {"neutral"}


def test_the_journal_can_store_hashes_instead_of_texts(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(
        tmp_path / "w", journal={"texts": "hash", "retention_days": 90}
    )
    with running_service.running(workspace) as service:
        service.predict("word1 canary")
        service.predict("word1 canary")

        first, second = running_service.journal_entries(service.workspace)
        assert (first["text"], first["digest"]) == ("", second["digest"])
        key = workspace.journal_key.read_bytes()
        assert first["digest"] == keyed_digest("word1 canary", key) != text_digest("word1 canary")
        assert workspace.journal_key.stat().st_mode & 0o777 == 0o600
        assert b"canary" not in running_service.journal_bytes(service.workspace)


def test_the_journal_uses_the_injected_clock(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    past = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)

    with running_service.running(
        workspace, app=build_app(workspace, host="127.0.0.1", now=lambda: past)
    ) as service:
        request_id = service.predict().json()["request"]

        assert request_id.startswith("2031050607-")
        assert [one["time"] for one in running_service.journal_entries(workspace)] == [
            "2031-05-06T07:08:09.000000Z"
        ]
        assert (
            service.client.post(
                "/v1/feedback", json={"request": request_id, "position": 0, "label": "neutral"}
            ).status_code
            == 200
        )


def test_a_broken_journal_loses_no_response(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with running_service.running(workspace) as service:
        running_service.block_journal(workspace)

        answered = service.predict("word1", "word2")

        assert (answered.status_code, running_service.labels_of(answered.json())) == (200, {"negative"})
        assert service.metric("tonewatch_journal_failures_total") == 2
        assert service.client.get("/readyz").status_code == 200
        running_service.wait_until(lambda: list_outbox(workspace.alerts))
        (alert,) = [entry.alert for entry in list_outbox(workspace.alerts)]
        assert (alert.title, alert.kind) == ("The journal cannot be written", "integrity")
        assert "predictions" in alert.message
        response = service.client.post(
            "/v1/feedback", json={"request": answered.json()["request"], "position": 0, "label": "positive"}
        )
        assert (response.status_code, str(workspace.root) in response.text) == (404, False)
        running_service.unblock_journal(workspace)
        service.predict("word3")
        assert [one["text"] for one in running_service.journal_entries(workspace)] == ["word3"]


def test_feedback_that_cannot_be_stored_is_503(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with running_service.running(workspace) as service:
        request_id = service.predict().json()["request"]
        (workspace.journal / "feedback.db").write_text(
            "no database, but as long as the header of one would be"
        )

        response = service.client.post(
            "/v1/feedback", json={"request": request_id, "position": 0, "label": "positive"}
        )

        assert (response.status_code, set(response.json())) == (503, {"error", "request"})
        assert str(workspace.root) not in response.text


def test_without_a_required_journal_nothing_is_predicted_and_it_recovers(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(
        tmp_path / "w", journal={"texts": "masked", "retention_days": 90, "required": True}
    )
    with running_service.running(workspace) as service:
        assert service.predict("word1").status_code == 200
        running_service.block_journal(workspace)

        refused = [service.predict("word2") for _ in range(2)]
        ready = service.client.get("/readyz")

        assert [answer.status_code for answer in refused] == [503, 503]
        assert "serve.journal.required" in refused[0].json()["error"]
        assert int(refused[0].headers["retry-after"]) > 0
        assert (ready.status_code, "journal" in ready.json()["reason"]) == (503, True)
        assert str(workspace.root) not in ready.text + refused[0].text

        running_service.unblock_journal(workspace)
        running_service.wait_until(lambda: service.client.get("/readyz").status_code == 200)
        assert service.predict("word3").status_code == 200
        assert [one["text"] for one in running_service.journal_entries(workspace)] == ["word3"]


def test_the_service_applies_the_retention_at_its_start(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(
        tmp_path / "w", journal={"texts": "masked", "retention_days": 2}
    )
    today = datetime.now(UTC)
    journal = Journal(workspace.journal, retention_days=2)
    for days in range(9):
        journal.append(make_entries(1, today - timedelta(days=days)))
    journal.close()

    with running_service.running(workspace):
        running_service.wait_until(lambda: len(running_service.journal_entries(workspace)) in (2, 3))


def test_the_journal_is_closed_at_shutdown(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with running_service.running(workspace) as service:
        service.predict("word1", "word2")

    assert [path.suffix for path in workspace.journal.glob("predictions/*")] == [".db"]
    assert len(list(Journal.reading(workspace.journal).predictions("2000", "9999"))) == 2


def test_a_connection_above_the_limit_gets_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeout_protocol, "MAX_CONNECTIONS", 3)
    with (
        running_service.running(running_service.make_workspace(tmp_path / "w")) as service,
        contextlib.ExitStack() as held,
    ):
        lines = [
            held.enter_context(contextlib.closing(socket.create_connection(("127.0.0.1", service.port), 10)))
            for _ in range(3)
        ]

        assert lines[-1].recv(99).startswith(b"HTTP/1.1 503 ")
        assert service.predict().status_code == 200
        held.close()
        running_service.wait_until(
            lambda: httpx.get(f"http://127.0.0.1:{service.port}/healthz").status_code == 200
        )
