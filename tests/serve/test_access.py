"""Access: a policy per route, keys and their scopes, host names, and rate limits."""

import re
import socket
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import running_service
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from running_service import RunningService

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.io.security import api_keys
from pipeline.serve.api.app import policy_of
from pipeline.serve.build import build_app, ensure_key
from pipeline.serve.http.access import POLICIES, RateLimiter, Waits
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
    "GET /v1/prevalence",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /healthz",
    "GET /readyz",
)
# The status for each scope of a key, in the order of API; 404 is for feedback on an unknown prediction, and
# for the prevalence of a topic before its first window.
STATUSES = {
    "": (401, 401, 401, 401, 401, 401, 401, 200, 200),
    "predict": (200, 403, 200, 404, 200, 200, 200, 200, 200),
    "feedback": (403, 404, 200, 404, 200, 200, 200, 200, 200),
    "label": (403, 403, 200, 404, 200, 200, 200, 200, 200),
    "admin": (403, 403, 200, 404, 200, 200, 200, 200, 200),
    "forged": (401, 401, 401, 401, 401, 401, 401, 200, 200),
}


def routes_of(app: FastAPI) -> set[str]:
    return {f"{method} {route.path}" for route in app.router.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]


def send(service: RunningService, route: str, headers: dict[str, str] | None = None) -> httpx.Response:
    method, path = route.split()
    return service.client.request(method, path, json=BODIES.get(route), headers=headers or {})


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Serve locally; its client sends a key of all scopes."""
    with running_service.running(
        running_service.make_workspace(tmp_path_factory.mktemp("open") / "w")
    ) as found:
        yield found


def test_every_route_has_a_policy_and_every_policy_a_route(open_service: RunningService) -> None:
    assert routes_of(open_service.app) == set(POLICIES)


@pytest.mark.parametrize("name", list(POLICIES))
def test_every_request_gets_the_policy_of_its_own_method(open_service: RunningService, name: str) -> None:
    method, path = name.split()
    scope = {"type": "http", "method": method, "path": re.sub(r"\{.*?\}", "R1", path), "headers": []}

    assert policy_of(open_service.app, scope) == (name, POLICIES[name])


@pytest.mark.attack("A3")
@pytest.mark.parametrize("path", ["/sign-in", "/try", "/actions/rollback/R1", "/v1/predict"])
def test_no_form_takes_a_body_without_an_end(open_service: RunningService, path: str) -> None:
    answer = open_service.client.post(path, content=b"key=" + b"x" * 2_000_000)

    assert answer.status_code == 413


@pytest.mark.attack("A2")
def test_a_route_without_a_policy_is_404(tmp_path: Path) -> None:
    app = build_app(running_service.make_workspace(tmp_path / "w"), host="127.0.0.1")
    app.router.routes.append(APIRoute("/v1/secret", lambda: "responses", methods=["GET"]))

    assert policy_of(app, {"type": "http", "method": "GET", "path": "/v1/secret", "headers": []}) == (
        "GET /v1/secret",
        None,
    )
    with running_service.running(app=app, workspace=Workspace.of(tmp_path / "w", {})) as service:
        assert service.client.get("/v1/secret").status_code == 404


@pytest.mark.attack("A2")
@pytest.mark.parametrize("scope", list(STATUSES))
def test_each_scope_opens_its_routes_locally(
    keyed: tuple[RunningService, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = keyed

    assert tuple(send(service, route, shown[scope]).status_code for route in API) == STATUSES[scope]


@pytest.mark.attack("A2")
@pytest.mark.parametrize("scope", list(STATUSES))
def test_each_scope_opens_its_routes_remotely(
    remote: tuple[RunningService, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = remote

    assert tuple(send(service, route, shown[scope]).status_code for route in API) == STATUSES[scope]


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
    return {
        "": running_service.NO_KEY,
        "forged": {"Authorization": "Bearer tw_00000000_" + "x" * 43},
        **scopes,
    }


@pytest.mark.attack("A2")
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


@pytest.mark.attack("A2")
def test_a_revoked_key_is_rejected_at_the_next_request(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    number, shown = running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        assert service.predict(headers=shown).status_code == 200

        api_keys.revoke_key(workspace.keys, number, now=datetime.now(UTC))

        assert service.predict(headers=shown).status_code == 401


@pytest.mark.attack("A2")
def test_without_any_key_nobody_gets_in(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    with running_service.running(workspace) as service:
        workspace.keys.unlink()

        assert [send(service, route).status_code for route in API] == [401] * 7 + [200] * 2


def test_a_local_service_makes_one_key_for_its_owner(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)

    path = Path(ensure_key(workspace, "127.0.0.1"))

    assert Path(ensure_key(workspace, "localhost")) == path
    assert [key.scopes for key in api_keys.list_keys(workspace.keys)] == [api_keys.SCOPES]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    checked = api_keys.KeyStore(workspace.keys).check(
        path.read_text().strip(), "admin", now=datetime.now(UTC)
    )
    assert not checked.rejection

    local = api_keys.list_keys(workspace.keys)[0]
    running_service.create_key(workspace, "predict")
    api_keys.revoke_key(workspace.keys, local.id, now=datetime.now(UTC))
    assert Path(ensure_key(workspace, "127.0.0.1")) == workspace.keys


@pytest.mark.attack("A2")
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
        ensure_key(running_service.make_workspace(tmp_path / "w", releases=0), host)


def test_a_revoked_key_does_not_let_a_remote_service_start(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", releases=0)
    number, _ = running_service.create_key(workspace, "predict")
    api_keys.revoke_key(workspace.keys, number, now=datetime.now(UTC))

    with pytest.raises(UsageError, match="tonewatch keys new"):
        ensure_key(workspace, "0.0.0.0")


def test_the_command_exits_with_2_and_names_the_next_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running_service.make_workspace(tmp_path / "w", releases=0)

    assert main(["--workspace", str(tmp_path / "w"), "--host", "0.0.0.0"], {}) == 2
    assert "tonewatch keys new" in capsys.readouterr().err


@pytest.mark.attack("A2")
@pytest.mark.parametrize("route", API)
def test_dns_rebinding_is_rejected(open_service: RunningService, route: str) -> None:
    rejected = send(open_service, route, {"Host": "rebound.example.org"})

    assert (rejected.status_code, set(rejected.json())) == (403, {"error", "request"})


@pytest.mark.attack("A2")
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


@pytest.mark.parametrize(
    "route", [*(one for one in API if one != "GET /docs"), "GET /nothing", "DELETE /v1/predict"]
)
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


@pytest.mark.attack("A3")
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


@given(gaps=st.lists(st.floats(0.0, 90.0), min_size=1, max_size=60), per_minute=st.integers(1, 6))
def test_no_minute_has_more_requests_than_twice_the_limit(gaps: list[float], per_minute: int) -> None:
    now, allowed = 0.0, []
    limiter = RateLimiter(per_minute, max_clients=5, clock=lambda: now)
    for gap in gaps:
        now += gap
        wait = limiter.hit("ada")
        if wait:
            now += wait
            assert not limiter.hit("ada")
        allowed.append(now)

    # A full allowance and what accrues within the minute, as of every limit without a memory of each request.
    assert all(sum(start <= one < start + 60.0 for one in allowed) <= 2 * per_minute for start in allowed)


@pytest.mark.attack("A3")
def test_the_limiter_remembers_a_bounded_number_of_clients() -> None:
    limiter = RateLimiter(60, max_clients=100)

    for number in range(10_000):
        limiter.hit(f"client-{number}")

    assert len(limiter) == 100


@pytest.mark.attack("A3")
def test_a_client_that_goes_on_is_not_forgotten_for_others() -> None:
    limiter = RateLimiter(3, max_clients=10, clock=lambda: 0.0)
    waits = []
    for number in range(40):
        waits.append(limiter.hit("busy"))
        limiter.hit(f"other-{number}")

    assert [bool(wait) for wait in waits] == [False] * 3 + [True] * 37


@pytest.mark.attack("A2")
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1;host=localhost"},
        {"X-Real-IP": "127.0.0.1"},
        {"X-Forwarded-For": "<script>"},
        {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
        {"X-HTTP-Method-Override": "GET"},
    ],
)
@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]])
def test_no_header_of_a_proxy_replaces_a_key(
    tmp_path: Path, headers: dict[str, str], proxies: list[str]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", trusted_proxies=proxies)
    with running_service.running(workspace) as service:
        responses = [send(service, route, {**headers, **running_service.NO_KEY}) for route in API[:5]]

    assert [one.status_code for one in responses] == [401] * 5


@pytest.mark.attack("A2")
@pytest.mark.parametrize(("proxies", "expected"), [([], [401, 401, 429]), (["127.0.0.1"], [401, 401, 401])])
def test_only_a_trusted_proxy_names_the_client(
    tmp_path: Path, proxies: list[str], expected: list[int]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", trusted_proxies=proxies, requests_per_minute=2)
    with running_service.running(workspace) as service:
        responses = [
            service.predict(headers={**running_service.NO_KEY, "X-Forwarded-For": f"203.0.113.{number}"})
            for number in range(3)
        ]

    assert [one.status_code for one in responses] == expected


@pytest.mark.attack("A2")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000/healthz",
        "127.0.0.1:8000#",
        "127.0.0.1:8000?x",
        "user@127.0.0.1",
        "127.0.0.1:80:90",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        "localhost.example.org",
        "localhost:8000,example.org",
        "",
        " ",
        "127.1",
        "[::1",
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/release", "/v1/release/healthz", "/healthz/../v1/release", "//v1/release"]
)
def test_a_malformed_host_or_a_path_that_ends_in_health_opens_nothing(
    open_service: RunningService, host: str, path: str
) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", open_service.port), 10) as line:
        line.sendall(request.encode())
        status = int(line.makefile("rb").readline().split()[1])

    assert status in (400, 401, 403, 404)


@pytest.mark.attack("A2")
def test_two_host_headers_are_rejected(open_service: RunningService) -> None:
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", open_service.port), 10) as line:
        line.sendall(request.encode())
        status = int(line.makefile("rb").readline().split()[1])

    assert status in (400, 403)


@pytest.mark.attack("A3")
def test_guessing_keys_is_rate_limited(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w", requests_per_minute=3)
    running_service.create_key(workspace, "predict")
    with running_service.running(workspace) as service:
        responses = [
            service.predict(headers={"Authorization": f"Bearer tw_00000000_{number}"}).status_code
            for number in range(6)
        ]

        assert responses == [401, 401, 401, 429, 429, 429]


@pytest.mark.attack("A3")
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


def test_a_client_waits_as_long_as_it_was_asked_to_and_others_do_not() -> None:
    now = 100.0
    waits = Waits(max_clients=10, clock=lambda: now)
    waits.begin("busy", 1.0)

    assert (waits.left("busy"), waits.left("other")) == (1.0, 0.0)
    now = 100.75
    assert waits.left("busy") == 0.25
    now = 101.0
    assert waits.left("busy") == 0.0


@pytest.mark.attack("A3")
def test_a_bounded_number_of_clients_waits() -> None:
    waits = Waits(max_clients=3, clock=lambda: 0.0)
    for number in range(1000):
        waits.begin(f"client-{number}", 1.0)

    assert [waits.left(f"client-{number}") for number in (0, 996, 997, 999)] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.attack("A3")
def test_a_client_that_was_refused_is_held_back_unread_and_others_are_not(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    (first_id, first), (_, second) = (running_service.create_key(workspace, "predict") for _ in range(2))
    with running_service.running(workspace) as service:
        client = service.predict(headers=first)
        assert client.status_code == 200
        guard = next(one.kwargs["guard"] for one in service.app.user_middleware if "guard" in one.kwargs)
        guard.turn_away(first_id)
        start = time.monotonic()
        other, at_once = service.predict(headers=second), time.monotonic() - start
        # No JSON: whoever reads it answers 422.
        held = service.client.post("/v1/predict", content=b"{", headers=first)
        waited = time.monotonic() - start
        again = service.predict(headers=first)

    assert (other.status_code, at_once < 0.5) == (200, True)
    assert (held.status_code, held.headers["retry-after"], waited >= 0.9) == (503, "1", True)
    assert again.status_code == 200
