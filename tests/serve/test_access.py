"""Who may ask what: a policy for every route, keys and their scopes, names of hosts, and limits that hold."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import served
from fastapi import FastAPI
from fastapi.routing import APIRoute
from served import Listening

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.io.security import api_keys
from pipeline.serve.api.app import policy_of
from pipeline.serve.http.access import POLICIES, is_loopback
from pipeline.serve.main import build_app, main

FOREIGN = "198.51.100.7"
ASKED = {
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
# The status each scope of a key is answered with, in the order of API; 404 is the answer to feedback on what was never asked.
LOCAL = {
    "": (401, 401, 200, 200, 200, 200, 200),
    "predict": (200, 403, 200, 200, 200, 200, 200),
    "feedback": (403, 404, 200, 200, 200, 200, 200),
    "admin": (403, 403, 200, 200, 200, 200, 200),
    "forged": (401, 401, 401, 401, 401, 200, 200),
}
BEYOND = {**LOCAL, "": (401, 401, 401, 401, 401, 200, 200)}


def routes_of(app: FastAPI) -> set[str]:
    return {f"{method} {route.path}" for route in app.router.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]


def ask(service: Listening, route: str, headers: dict[str, str] | None = None) -> httpx.Response:
    method, path = route.split()
    return service.client.request(method, path, json=ASKED.get(route), headers=headers or {})


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Serve without any key, to this machine only."""
    with served.listening(served.world(tmp_path_factory.mktemp("open") / "w")) as found:
        yield found


def test_every_route_has_a_policy_and_every_policy_a_route(open_service: Listening) -> None:
    assert routes_of(open_service.app) == set(POLICIES)


def test_a_route_that_nobody_gave_a_policy_is_not_there(tmp_path: Path) -> None:
    app = build_app(served.world(tmp_path / "w"), host="127.0.0.1")
    app.router.routes.append(APIRoute("/v1/secret", lambda: "told", methods=["GET"]))

    assert policy_of(app, {"type": "http", "method": "GET", "path": "/v1/secret", "headers": []}) == (
        "GET /v1/secret",
        None,
    )
    with served.listening(app=app, places=Workspace.of(tmp_path / "w", {})) as service:
        assert service.client.get("/v1/secret").status_code == 404


def test_without_keys_this_machine_may_ask_all_but_what_an_admin_does(open_service: Listening) -> None:
    told = {route: ask(open_service, route).status_code for route in API}

    assert told == {route: 404 if route == "POST /v1/feedback" else 200 for route in API}
    assert open_service.client.post("/acts/rollback/R1", data={"typed": "R1"}).status_code in (303, 403)


@pytest.mark.parametrize("scope", list(LOCAL))
def test_each_scope_opens_its_routes_on_this_machine(
    keyed: tuple[Listening, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = keyed

    assert tuple(ask(service, route, shown[scope]).status_code for route in API) == LOCAL[scope]


@pytest.mark.parametrize("scope", list(BEYOND))
def test_beyond_this_machine_even_reading_takes_a_key(
    beyond: tuple[Listening, dict[str, dict[str, str]]], scope: str
) -> None:
    service, shown = beyond

    assert tuple(ask(service, route, shown[scope]).status_code for route in API) == BEYOND[scope]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listening, dict[str, dict[str, str]]]]:
    """Serve this machine with a key of each scope."""
    places = served.world(tmp_path_factory.mktemp("keyed") / "w")
    shown = _shown(places)
    with served.listening(places) as found:
        yield found, shown


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Listening, dict[str, dict[str, str]]]]:
    """Serve as beyond this machine, yet listen at its own address: the tests may not be asked by anybody else."""
    places = served.world(tmp_path_factory.mktemp("beyond") / "w")
    shown = _shown(places)
    with served.listening(places, app=build_app(places, host="0.0.0.0")) as found:
        yield found, shown


def _shown(places: Workspace) -> dict[str, dict[str, str]]:
    scopes = {scope: served.key(places, scope)[1] for scope in api_keys.SCOPES}
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
def test_what_is_no_key_opens_nothing(keyed: tuple[Listening, dict[str, dict[str, str]]], shown: str) -> None:
    refused = keyed[0].predict(headers={"Authorization": shown.encode("latin-1")})  # type: ignore[dict-item]

    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert shown.rpartition(" ")[2] not in refused.text.replace("Bearer KEY", "")


def test_a_revoked_key_is_dead_at_the_next_request(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    number, shown = served.key(places, "predict")
    with served.listening(places) as service:
        assert service.predict(headers=shown).status_code == 200

        api_keys.revoke_key(places.keys, number, now=datetime.now(UTC))

        assert service.predict(headers=shown).status_code == 401


def test_the_first_key_closes_what_was_open_before_it(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    with served.listening(places) as service:
        assert service.predict().status_code == 200

        _, shown = served.key(places, "predict")

        assert service.predict().status_code == 401
        assert service.predict(headers=shown).status_code == 200


def test_a_damaged_file_of_keys_opens_nothing(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    _, shown = served.key(places, "predict")
    with served.listening(places) as service:
        places.keys.write_text("{")

        assert (service.predict().status_code, service.predict(headers=shown).status_code) == (401, 401)
        assert service.client.get("/healthz").status_code == 200


def test_an_answer_is_kept_under_the_id_of_the_key_and_not_under_its_secret(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w")
    number, shown = served.key(places, "predict")
    with served.listening(places) as service:
        service.predict(headers=shown)

        assert [one["client"] for one in served.entries(places)] == [number]
        assert shown["Authorization"][-20:] not in served.kept(places)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "198.51.100.7", "example.org"])
def test_beyond_this_machine_nobody_is_served_without_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="tonewatch keys new"):
        build_app(served.world(tmp_path / "w", releases=0), host=host)


def test_only_a_key_that_was_revoked_is_no_key(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", releases=0)
    number, _ = served.key(places, "predict")
    api_keys.revoke_key(places.keys, number, now=datetime.now(UTC))

    with pytest.raises(UsageError, match="tonewatch keys new"):
        build_app(places, host="0.0.0.0")


def test_the_command_ends_with_2_and_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served.world(tmp_path / "w", releases=0)

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
def test_a_name_is_this_machines_own_or_not(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize("route", API)
def test_a_page_of_another_name_that_points_here_is_refused(open_service: Listening, route: str) -> None:
    refused = ask(open_service, route, {"Host": "rebound.example.org"})

    assert (refused.status_code, set(refused.json())) == (403, {"error", "request"})


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
def test_a_page_of_another_site_cannot_ask_without_asking_the_browser_first(
    open_service: Listening, kind: str | None
) -> None:
    headers = {"Origin": "https://example.org", **({"Content-Type": kind} if kind else {})}

    refused = open_service.client.post("/v1/predict", content=b'{"texts": ["word1"]}', headers=headers)
    asked_first = open_service.client.options(
        "/v1/predict", headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    )

    assert refused.status_code == 422
    assert "access-control-allow-origin" not in {*refused.headers, *asked_first.headers}


@pytest.mark.parametrize("route", [*API, "GET /nothing", "DELETE /v1/predict"])
def test_every_answer_carries_the_headers_that_keep_a_browser_safe(
    open_service: Listening, route: str
) -> None:
    headers = ask(open_service, route).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["x-frame-options"], headers["referrer-policy"], headers["cache-control"]) == (
        "DENY",
        "no-referrer",
        "no-store",
    )
    assert "server" not in headers


def test_who_asks_more_often_than_allowed_is_told_to_come_back_and_others_are_not(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", requests_per_minute=3)
    (_, first), (_, second) = served.key(places, "predict"), served.key(places, "predict")
    with served.listening(places) as service:
        told = [service.predict(headers=first) for _ in range(5)]

        assert [one.status_code for one in told] == [200, 200, 200, 429, 429]
        assert 1 <= int(told[-1].headers["retry-after"]) <= 60
        assert service.predict(headers=second).status_code == 200
        assert all(service.client.get("/healthz").status_code == 200 for _ in range(10))


def test_guessing_keys_is_limited_as_well(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", requests_per_minute=3)
    served.key(places, "predict")
    with served.listening(places) as service:
        told = [
            service.predict(headers={"Authorization": f"Bearer tw_00000000_{number}"}).status_code
            for number in range(6)
        ]

        assert told == [401, 401, 401, 429, 429, 429]


def test_one_client_holds_only_so_many_requests_at_once(tmp_path: Path) -> None:
    places = served.world(tmp_path / "w", concurrent_requests=2)
    (_, first), (_, second) = served.key(places, "predict"), served.key(places, "predict")
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nAuthorization: {first['Authorization']}\r\nContent-Length: 99\r\n\r\n"
    with served.listening(places) as service:
        slow = [socket.create_connection(("127.0.0.1", service.port), 10) for _ in range(2)]
        for line in slow:
            line.sendall(head.encode())
        time.sleep(0.3)  # both have come in before the third is asked

        assert service.predict(headers=first).status_code == 429
        assert service.predict(headers=second).status_code == 200
        for line in slow:
            line.close()
        served.until(lambda: service.predict(headers=first).status_code == 200)
