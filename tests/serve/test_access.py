"""Access: a policy per route, keys and their scopes, host names, and rate limits."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import running_service
from fastapi import FastAPI
from fastapi.routing import APIRoute
from running_service import RunningService

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.io.security import api_keys
from pipeline.serve.api.app import policy_of
from pipeline.serve.build import build_app
from pipeline.serve.http.access import POLICIES, is_loopback
from pipeline.serve.main import main

FOREIGN = "198.51.100.7"
BODIES = {
    "POST /v1/predict": {"texts": ["word1"]},
    "POST /v1/feedback": {"request": "2026112508-00000000000000000000", "position": 0, "label": "positive"},
}
API = (
    "POST /v1/predict",
    "POST /v1/feedback",
    "GET /v1/release",
    "GET /metrics",
    "GET /openapi.json",
    "GET /healthz",
    "GET /readyz",
)
# The status for each scope of a key, in the order of API; 404 is for feedback on an unknown prediction.
LOCAL = {
    "": (401, 401, 200, 200, 200, 200, 200),
    "predict": (200, 403, 200, 200, 200, 200, 200),
    "feedback": (403, 404, 200, 200, 200, 200, 200),
    "admin": (403, 403, 200, 200, 200, 200, 200),
    "forged": (401, 401, 401, 401, 401, 200, 200),
}
REMOTE = {**LOCAL, "": (401, 401, 401, 401, 401, 200, 200)}


def routes_of(app: FastAPI) -> set[str]:
    return {f"{method} {route.path}" for route in app.router.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]


def send(service: RunningService, route: str, headers: dict[str, str] | None = None) -> httpx.Response:
    method, path = route.split()
    return service.client.request(method, path, json=BODIES.get(route), headers=headers or {})


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Serve locally without any key."""
    with running_service.running(
        running_service.make_workspace(tmp_path_factory.mktemp("open") / "w")
    ) as found:
        yield found


def test_every_route_has_a_policy_and_every_policy_a_route(open_service: RunningService) -> None:
    assert routes_of(open_service.app) == set(POLICIES)


def test_a_route_without_a_policy_is_404(tmp_path: Path) -> None:
    app = build_app(running_service.make_workspace(tmp_path / "w"), host="127.0.0.1")
    app.router.routes.append(APIRoute("/v1/secret", lambda: "responses", methods=["GET"]))

    assert policy_of(app, {"type": "http", "method": "GET", "path": "/v1/secret", "headers": []}) == (
        "GET /v1/secret",
        None,
    )
    with running_service.running(app=app, workspace=Workspace.of(tmp_path / "w", {})) as service:
        assert service.client.get("/v1/secret").status_code == 404


def test_without_keys_local_clients_may_do_all_but_admin_actions(open_service: RunningService) -> None:
    responses = {route: send(open_service, route).status_code for route in API}

    assert responses == {route: 404 if route == "POST /v1/feedback" else 200 for route in API}
    assert open_service.client.post("/actions/rollback/R1", data={"confirmation": "R1"}).status_code in (
        303,
        403,
    )


@pytest.mark.parametrize("scope", list(LOCAL))
def test_each_scope_opens_its_routes_locally(
    keyed: tuple[RunningService, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = keyed

    assert tuple(send(service, route, shown[scope]).status_code for route in API) == LOCAL[scope]


@pytest.mark.parametrize("scope", list(REMOTE))
def test_remote_clients_need_a_key_even_to_read(
    remote: tuple[RunningService, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = remote

    assert tuple(send(service, route, shown[scope]).status_code for route in API) == REMOTE[scope]


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningService, dict[str, dict[str, str]]]]:
    """Serve locally with a key of each scope."""
    workspace = running_service.make_workspace(tmp_path_factory.mktemp("keyed") / "w")
    shown = _headers(workspace)
    with running_service.running(workspace) as found:
        yield found, shown


@pytest.fixture(scope="module")
def remote(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningService, dict[str, dict[str, str]]]]:
    """Serve by the rules of a remote service, but listen at a loopback address."""
    workspace = running_service.make_workspace(tmp_path_factory.mktemp("remote") / "w")
    shown = _headers(workspace)
    with running_service.running(workspace, app=build_app(workspace, host="0.0.0.0")) as found:
        yield found, shown


def _headers(workspace: Workspace) -> dict[str, dict[str, str]]:
    scopes = {scope: running_service.create_key(workspace, scope)[1] for scope in api_keys.SCOPES}
    return {"": {}, "forged": {"Authorization": "Bearer tw_00000000_" + "x" * 43}, **scopes}


@pytest.mark.parametrize(
    "shown",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "tw_1_2",
        "Bearer null",
        "Bearer alpha beta",
        "Bearer " + "a" * 8000,
        "bearer tw__",
        "Bearer \xff",
    ],
)
def test_an_invalid_key_is_rejected(
    keyed: tuple[RunningService, dict[str, dict[str, str]]], shown: str
) -> None:
    rejected = keyed[0].predict(headers={"Authorization": shown.encode("latin-1")})  # type: ignore[dict-item]

    assert (rejected.status_code, rejected.headers["www-authenticate"]) == (401, "Bearer")
    assert shown.rpartition(" ")[2] not in rejected.text.replace("Bearer KEY", "")


def test_a_revoked_key_is_rejected_at_the_next_request(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    number, shown = running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        assert service.predict(headers=shown).status_code == 200

        api_keys.revoke_key(workspace.keys, number, now=datetime.now(UTC))

        assert service.predict(headers=shown).status_code == 401


def test_the_first_key_closes_the_open_service(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with running_service.running(workspace) as service:
        assert service.predict().status_code == 200

        _, shown = running_service.create_key(workspace, "predict")

        assert service.predict().status_code == 401
        assert service.predict(headers=shown).status_code == 200


def test_a_damaged_file_of_keys_rejects_every_key(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    _, shown = running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        workspace.keys.write_text("{")

        assert (service.predict().status_code, service.predict(headers=shown).status_code) == (401, 401)
        assert service.client.get("/healthz").status_code == 200


def test_the_journal_has_the_id_of_the_key_and_not_its_secret(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    number, shown = running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        service.predict(headers=shown)

        assert [one["client"] for one in running_service.journal_entries(workspace)] == [number]
        assert shown["Authorization"][-20:].encode() not in running_service.journal_bytes(workspace)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "198.51.100.7", "example.org"])
def test_a_remote_service_needs_keys_to_start(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="tonewatch keys new"):
        build_app(running_service.make_workspace(tmp_path / "w", releases=0), host=host)


def test_a_revoked_key_does_not_let_a_remote_service_start(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    number, _ = running_service.create_key(workspace, "predict")
    api_keys.revoke_key(workspace.keys, number, now=datetime.now(UTC))

    with pytest.raises(UsageError, match="tonewatch keys new"):
        build_app(workspace, host="0.0.0.0")


def test_the_command_exits_with_2_and_names_the_next_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running_service.make_workspace(tmp_path / "w", releases=0)

    assert main(["--workspace", str(tmp_path / "w"), "--host", "0.0.0.0"], {}) == 2
    assert "tonewatch keys new" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(
            (host, True)
            for host in (
                "localhost",
                "LocalHost:8000",
                "127.0.0.1",
                "127.8.8.8:1",
                "[::1]",
                "[::1]:8000",
                "::1",
            )
        ),
        *(
            (host, False)
            for host in (
                "",
                "example.org",
                "localhost.example.org",
                "127.0.0.1.nip.io",
                "0.0.0.0",
                "127.0.0.1:80:90",
                "[::2]:1",
            )
        ),
        *(
            (host, False)
            for host in (
                "localhost@example.org",
                "2130706433",
                "0x7f000001",
                "127.1",
                "localhost\0",
                "::ffff:198.51.100.7",
            )
        ),
    ],
)
def test_loopback_names_and_addresses(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize("route", API)
def test_dns_rebinding_is_rejected(open_service: RunningService, route: str) -> None:
    rejected = send(open_service, route, {"Host": "rebound.example.org"})

    assert (rejected.status_code, set(rejected.json())) == (403, {"error", "request"})


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
def test_another_site_cannot_send_json_without_a_preflight(
    open_service: RunningService, kind: str | None
) -> None:
    headers = {"Origin": "https://example.org", **({"Content-Type": kind} if kind else {})}

    rejected = open_service.client.post("/v1/predict", content=b'{"texts": ["word1"]}', headers=headers)
    asked_first = open_service.client.options(
        "/v1/predict", headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    )

    assert rejected.status_code == 422
    assert "access-control-allow-origin" not in {*rejected.headers, *asked_first.headers}


@pytest.mark.parametrize("route", [*API, "GET /nothing", "DELETE /v1/predict"])
def test_every_response_has_the_security_headers(open_service: RunningService, route: str) -> None:
    headers = send(open_service, route).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["x-frame-options"], headers["referrer-policy"], headers["cache-control"]) == (
        "DENY",
        "no-referrer",
        "no-store",
    )
    assert "server" not in headers


def test_the_rate_limit_holds_per_client(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", requests_per_minute=3)
    (_, first), (_, second) = (
        running_service.create_key(workspace, "predict"),
        running_service.create_key(workspace, "predict"),
    )
    with running_service.running(workspace) as service:
        responses = [service.predict(headers=first) for _ in range(5)]

        assert [one.status_code for one in responses] == [200, 200, 200, 429, 429]
        assert 1 <= int(responses[-1].headers["retry-after"]) <= 60
        assert service.predict(headers=second).status_code == 200
        assert all(service.client.get("/healthz").status_code == 200 for _ in range(10))


def test_guessing_keys_is_rate_limited(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", requests_per_minute=3)
    running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        responses = [
            service.predict(headers={"Authorization": f"Bearer tw_00000000_{number}"}).status_code
            for number in range(6)
        ]

        assert responses == [401, 401, 401, 429, 429, 429]


def test_concurrent_requests_are_limited_per_client(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", concurrent_requests=2)
    (_, first), (_, second) = (
        running_service.create_key(workspace, "predict"),
        running_service.create_key(workspace, "predict"),
    )
    authorization = f"Authorization: {first['Authorization']}\r\n"
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: 99\r\n\r\n"
    with running_service.running(workspace) as service:
        slow = [socket.create_connection(("127.0.0.1", service.port), 10) for _ in range(2)]
        for line in slow:
            line.sendall(head.encode())
        time.sleep(0.3)  # both have come in before the third is asked

        assert service.predict(headers=first).status_code == 429
        assert service.predict(headers=second).status_code == 200
        for line in slow:
            line.close()
        running_service.wait_until(lambda: service.predict(headers=first).status_code == 200)
