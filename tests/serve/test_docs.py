"""The page /docs: complete without any other host, under a strict policy, at the root and below a prefix."""

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import running_service
import uvicorn
from playwright.sync_api import Browser
from running_service import RunningService
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from pipeline.serve.api.docs import ASSETS
from pipeline.serve.build import build_app

FILES = ("/docs", "/openapi.json", *(f"/docs/{name}" for name in ASSETS))
PREFIX = "/tone/watch"
REFUSED = ("/docs/nosuch.js", "/docs/docs.html", "/docs/..%2fschemas.py", "/docs/swagger-ui.css/", "/docs/")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service.running(
        running_service.make_workspace(tmp_path_factory.mktemp("docs") / "w")
    ) as running:
        yield running


@contextlib.contextmanager
def below_a_prefix(app: ASGIApp) -> Iterator[str]:
    """Serve an app below a prefix, which becomes its `root_path`, and yield its address."""
    mounted = Starlette(routes=[Mount(PREFIX, app=app)])
    server = uvicorn.Server(uvicorn.Config(mounted, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    running_service.wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}{PREFIX}"
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize("path", FILES)
def test_every_file_of_the_page_is_served(service: RunningService, path: str) -> None:
    response = service.client.get(path)

    assert response.status_code == 200
    assert len(response.content) > 100
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", REFUSED)
def test_no_other_file_is_served(service: RunningService, path: str) -> None:
    assert service.client.get(path).status_code == 404


def test_the_page_has_no_inline_script_and_names_no_other_host(service: RunningService) -> None:
    page = service.client.get("/docs")
    policy = page.headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>[^<]+|\son[a-z]+=|style=", page.text) == []
    assert re.findall(r"(?:src|href)=\"(?!docs/|openapi\.json)[^\"]*", page.text) == []


def test_beyond_loopback_the_page_needs_a_key_as_the_document_does(tmp_path: Path) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    _, header = running_service.create_key(workspace, "predict")
    app = build_app(workspace, host="0.0.0.0")
    with running_service.running(workspace, app=app) as service:
        anonymous = {service.client.get(path, headers=running_service.NO_KEY).status_code for path in FILES}
        assert anonymous == {401}
        assert {service.client.get(path, headers=header).status_code for path in FILES} == {200}


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("place", ["at the root", "below a prefix"])
def test_the_page_shows_the_operations_without_network(
    browser: Browser, service: RunningService, place: str
) -> None:
    complaints: list[str] = []
    foreign: list[str] = []
    with contextlib.ExitStack() as stack:
        if place == "at the root":
            address = f"http://127.0.0.1:{service.port}"
        else:
            address = stack.enter_context(below_a_prefix(service.app))
        # Signed in, as on the dashboard; the requests that the page sends carry the key.
        context = stack.enter_context(contextlib.closing(browser.new_context()))
        context.set_extra_http_headers(running_service.client_headers(service.workspace))
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.on("response", lambda one: complaints.append(one.url) if one.status >= 400 else None)
        page.on("request", lambda one: None if one.url.startswith(address) else foreign.append(one.url))

        page.goto(f"{address}/docs")
        page.locator(".opblock-summary-path", has_text="predict").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table tbody .response-col_status").first
        answer.wait_for()

        assert answer.inner_text().startswith("200")
        assert "Tonewatch" in page.locator(".title").first.inner_text()
        assert (complaints, [url for url in foreign if not url.startswith("data:")]) == ([], [])


def test_the_document_names_the_prefix_as_its_server(service: RunningService) -> None:
    with below_a_prefix(service.app) as address:
        headers = running_service.client_headers(service.workspace)
        assert httpx.get(f"{address}/openapi.json", headers=headers).json()["servers"] == [{"url": PREFIX}]
