"""The service behind a real nginx with TLS: nobody gets in without a key, and the dashboard works there."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import nginx
import pytest
import running_service
import window_fixtures

from pipeline.io.security import api_keys
from pipeline.serve.build import build_app

pytestmark = pytest.mark.needs("nginx")
HOST = {"Host": nginx.PUBLIC}


@contextlib.contextmanager
def published(folder: Path, location: str, *, proxies: list[str]) -> Iterator[tuple[httpx.Client, str]]:
    """Serve at https://tone.example/mood; yield an anonymous client and a key of all scopes."""
    workspace = running_service.make_workspace(folder / "w", trusted_proxies=proxies)
    window_fixtures.write(workspace.windows, windows=6)
    public = replace(workspace, dashboard=f"https://{nginx.PUBLIC}/mood")
    _, header = running_service.create_key(workspace, *api_keys.SCOPES)
    port = running_service.free_port()
    with (
        running_service.running(public, app=build_app(public, host="127.0.0.1")) as service,
        nginx.running_nginx(folder / "nginx", location, port=port, service=service.port) as address,
        httpx.Client(base_url=address, verify=False, headers=HOST, timeout=30) as client,
    ):
        running_service.wait_until(lambda: answers(client))
        yield client, header["Authorization"].removeprefix("Bearer ")


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/mood/healthz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.attack("A2")
@pytest.mark.parametrize("location", list(nginx.LOCATIONS))
@pytest.mark.parametrize("proxies", [[], ["127.0.0.1"]], ids=["untrusted", "trusted"])
def test_anonymous_clients_stay_out_and_people_with_a_key_get_in(
    tmp_path: Path, location: str, proxies: list[str]
) -> None:
    with published(tmp_path, location, proxies=proxies) as (client, key):
        forged = {
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": "localhost",
            "X-Forwarded-Proto": "http",
        }
        for headers in ({}, forged):
            statuses = [
                client.post("/mood/v1/predict", json={"texts": ["word1"]}, headers=headers).status_code,
                client.post("/mood/v1/feedback", json={}, headers=headers).status_code,
                client.get("/mood/v1/release", headers=headers).status_code,
                client.get("/mood/metrics", headers=headers).status_code,
                client.get("/mood/", headers=headers).status_code,
                client.get("/mood/topics/phones", headers=headers).status_code,
                client.post("/mood/actions/rollback/R1", headers=headers).status_code,
            ]
            assert statuses == [401, 401, 401, 401, 303, 303, 303]
        bearer = {"Authorization": f"Bearer {key}"}
        predicted = client.post("/mood/v1/predict", json={"texts": ["word1"]}, headers=bearer)
        assert predicted.json()["release"] == "R1"

        origin = {"Origin": f"https://{nginx.PUBLIC}"}
        signed_in = client.post("/mood/sign-in", data={"key": key, "next": "/"}, headers=origin)
        assert signed_in.headers["location"] == "/mood/"
        cookie = signed_in.headers["set-cookie"]
        page = client.get("/mood/", headers={"Cookie": cookie.partition(";")[0]})

        assert page.status_code == 200
        addresses = re.findall(r'(?:href|src|action)="([^"#][^"]*)"', page.text)
        assert all(one.startswith("/mood/") for one in addresses), addresses
        assert all(client.get(one).status_code == 200 for one in addresses if "/assets/" in one)
        if proxies and "full" in location:
            assert cookie.startswith("__Host-tonewatch-")
            assert "Secure" in cookie


@pytest.mark.attack("A2")
def test_only_a_trusted_nginx_names_the_client(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(
        tmp_path / "w", trusted_proxies=["127.0.0.1"], requests_per_minute=2
    )
    public, port = replace(workspace, dashboard=f"https://{nginx.PUBLIC}/mood"), running_service.free_port()
    with (
        running_service.running(public, app=build_app(public, host="127.0.0.1")) as service,
        nginx.running_nginx(tmp_path / "nginx", "full", port=port, service=service.port) as address,
        # From an address that is not the proxy's own.
        httpx.Client(
            base_url=address,
            headers=HOST,
            timeout=30,
            transport=httpx.HTTPTransport(verify=False, local_address="127.0.0.2"),
        ) as client,
    ):
        running_service.wait_until(lambda: answers(client))
        # nginx appends the address that it saw: what the client claims to be counts for nothing.
        statuses = [
            client.get("/mood/v1/release", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code
            for number in range(4)
        ]

    assert statuses == [401, 401, 429, 429]
