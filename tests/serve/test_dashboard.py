"""The routes of the dashboard over HTTP: who may read, security headers, and wrong requests."""

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import window_fixtures
from starlette.testclient import TestClient

from pipeline.base.config import Workspace
from pipeline.io.security import api_keys
from pipeline.serve.build import build_app

CHECKOUT = Path(__file__).parents[2]
LOCAL, REMOTE = "http://127.0.0.1:8000", "https://tone.example"
PAGES = ["/", "/topics/phones", "/try", "/sign-in", "/actions/rollback/R1"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    shutil.copyfile(CHECKOUT / "params.yaml", tmp_path / "params.yaml")
    return Workspace.of(tmp_path, {})


def create_key(workspace: Workspace, scope: str = "admin") -> str:
    return api_keys.create_key(workspace.keys, name="ada", scopes=[scope], days=None, now=datetime.now(UTC))[
        1
    ]


def client(workspace: Workspace, *, at: str = LOCAL, **headers: str) -> TestClient:
    """Return a client of a service that only this machine reaches, or of one that everybody does."""
    host = "127.0.0.1" if at == LOCAL else "0.0.0.0"
    return TestClient(
        build_app(workspace, host=host),
        base_url=at,
        headers={"Origin": at, **headers},
        follow_redirects=False,
    )


def csrf_token(client: TestClient) -> str:
    match = re.search(r'name="csrf_token" value="(\w+)"', client.get("/").text)
    assert match is not None
    return match[1]


@pytest.fixture
def local(workspace: Workspace) -> TestClient:
    """Return a client of a local service, signed in as an admin."""
    found = client(workspace)
    assert found.post("/sign-in", data={"key": create_key(workspace)}).status_code == 303
    return found


def test_every_page_has_its_security_headers(local: TestClient, workspace: Workspace) -> None:
    window_fixtures.write(workspace.windows, windows=6)
    for path in PAGES:
        headers = local.get(path).headers
        if "location" not in headers:
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; style-src 'self'; script-src 'self';"
            )
            assert "unsafe" not in headers["content-security-policy"]
            assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
            # `no-referrer` would make browsers send `Origin: null` with our own forms.
            assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_no_page_holds_a_style_or_a_script_of_its_own(local: TestClient, workspace: Workspace) -> None:
    window_fixtures.write(workspace.windows, windows=6)

    page = local.get("/topics/phones").text

    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page
    assert page.count("<script") == 1


def test_assets_are_cached_for_good(local: TestClient) -> None:
    for name, kind in (
        ("dashboard.css", "text/css"),
        ("dashboard.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        response = local.get(f"/assets/{name}?v=1")
        assert response.headers["content-type"].startswith(kind)
        assert "immutable" in response.headers["cache-control"]
    for name in ("dashboard.html.j2", "..%2fpages.py", "page.css", "%00"):
        assert local.get(f"/assets/{name}").status_code == 404


def test_openapi_does_not_list_the_pages(local: TestClient, workspace: Workspace) -> None:
    key = {"Authorization": f"Bearer {create_key(workspace)}"}

    paths = local.get("/openapi.json", headers=key).json()["paths"]

    assert not [path for path in paths if not path.startswith("/v1/")]


def test_an_empty_workspace_has_a_page(local: TestClient) -> None:
    response = local.get("/")

    assert response.status_code == 200
    assert "No window report yet" in response.text
    assert "No release yet" in response.text


def test_a_workspace_with_damaged_files_has_a_page(local: TestClient, workspace: Workspace) -> None:
    window_fixtures.write(workspace.windows, windows=6)
    (workspace.windows / "events.json").write_text("{")
    workspace.params.write_text("nonsense: [")
    (workspace.home / "ledger.db").unlink(missing_ok=True)
    (workspace.home / "ledger.db").mkdir()
    workspace.alerts.mkdir()
    (workspace.alerts / "A000001.json").write_text("{")

    response = local.get("/")

    assert response.status_code == 200
    assert response.text.count("unavailable") >= 4


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/topics/nobody%20speaks%20of",
            "/actions/destroy/R1",
            "/actions/rollback/R0",
            "/actions/rollback/..",
        ),
        *("/releases/R0", "/releases/..%2fR1", "/assets/x"),
    ],
)
def test_unknown_paths_are_404(local: TestClient, path: str) -> None:
    assert local.get(path).status_code == 404


@pytest.mark.attack("A2")
def test_local_readers_sign_in_first(workspace: Workspace) -> None:
    # On this machine too: another user, or a proxy for anybody, comes from loopback as well.
    anonymous = client(workspace)

    assert anonymous.get("/").headers["location"] == "/sign-in?next=%2F"
    assert anonymous.get("/actions/rollback/R1").headers["location"] == (
        "/sign-in?next=%2Factions%2Frollback%2FR1"
    )
    assert (
        anonymous.post("/actions/rollback/R1", data={"confirmation": "R1"}).headers["location"]
        == "/sign-in?next=%2F"
    )


@pytest.mark.attack("A2")
def test_remote_readers_sign_in_first(workspace: Workspace) -> None:
    secret = create_key(workspace, "feedback")
    remote = client(workspace, at=REMOTE)

    assert remote.get("/topics/a").headers["location"] == "/sign-in?next=%2Ftopics%2Fa"
    assert remote.get("/releases/R1").headers["location"] == "/sign-in?next=%2Freleases%2FR1"
    assert remote.post("/try", data={"text": "x"}).status_code == 303
    signed_in = remote.post("/sign-in", data={"key": secret, "next": "/topics/a"})

    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/topics/a")
    cookie = signed_in.headers["set-cookie"]
    assert re.match(r"__Host-tonewatch-[0-9a-f]{8}=", cookie)
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/", "Max-Age=1800"} <= set(cookie.split("; "))
    assert remote.get("/").status_code == 200


@pytest.mark.attack("A3")
def test_behind_one_address_a_signed_in_person_has_an_allowance_of_their_own(workspace: Workspace) -> None:
    text = workspace.params.read_text("utf-8")
    workspace.params.write_text(re.sub(r"(requests_per_minute:) \d+", r"\1 5", text), "utf-8")
    noisy = client(workspace)
    quiet, visitor = (TestClient(noisy.app, base_url=LOCAL, headers={"Origin": LOCAL}) for _ in range(2))
    for person in (noisy, quiet):
        person.post("/sign-in", data={"key": create_key(workspace)}, follow_redirects=False)

    flood = [visitor.get("/sign-in").status_code for _ in range(10)]
    mine, theirs = (
        [one.get("/assets/dashboard.css").status_code for _ in range(7)] for one in (noisy, quiet)
    )

    assert flood == [200] * 3 + [429] * 7  # after the two that signed in
    assert mine == theirs == [200] * 5 + [429] * 2


@pytest.mark.attack("A2")
def test_deleting_the_keys_does_not_open_the_pages(workspace: Workspace) -> None:
    secret = create_key(workspace)
    remote = client(workspace, at=REMOTE)
    remote.post("/sign-in", data={"key": secret})

    workspace.keys.unlink()

    assert remote.get("/").status_code == 303


@pytest.mark.attack("A2")
def test_a_foreign_host_header_is_rejected(workspace: Workspace) -> None:
    # A page elsewhere can let its own name lead here (DNS rebinding).
    assert client(workspace, at=LOCAL).get("/", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.attack("A2")
@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "",
        "/ok\r\nX: y",
        "/a b",
    ],
)
def test_sign_in_redirects_to_own_pages_only(local: TestClient, workspace: Workspace, target: str) -> None:
    assert (
        local.post("/sign-in", data={"key": create_key(workspace), "next": target}).headers["location"] == "/"
    )


@pytest.mark.attack("A2")
def test_a_sign_in_form_of_another_site_is_rejected(workspace: Workspace) -> None:
    response = client(workspace).post(
        "/sign-in", data={"key": create_key(workspace)}, headers={"Origin": "http://evil.example"}
    )

    assert (response.status_code, response.headers.get("set-cookie")) == (403, None)


def test_a_new_sign_in_ends_the_earlier_session(local: TestClient, workspace: Workspace) -> None:
    secret = create_key(workspace)
    local.post("/sign-in", data={"key": secret})
    local.post("/sign-in", data={"key": secret})

    assert len(list((workspace.home / "sessions").glob("*.json"))) == 1


def test_without_keys_the_sign_in_page_names_the_command(workspace: Workspace) -> None:
    anonymous = client(workspace)

    assert "tonewatch keys new" in anonymous.get("/sign-in").text
    assert anonymous.post("/sign-in", data={"key": "x"}).status_code == 401


@pytest.mark.parametrize("passed_on", ["/mood/topics/phones", "/topics/phones"])
def test_behind_a_proxy_every_address_has_the_prefix(workspace: Workspace, passed_on: str) -> None:
    window_fixtures.write(workspace.windows, windows=6)
    public = replace(workspace, dashboard="https://tone.example/mood")
    anonymous = client(public, at="https://tone.example")
    assert anonymous.get(passed_on).headers["location"] == "/mood/sign-in?next=%2Ftopics%2Fphones"
    answer = anonymous.post("/mood/sign-in", data={"key": create_key(workspace), "next": "/topics/phones"})
    assert answer.headers["location"] == "/mood/topics/phones"

    page = anonymous.get(passed_on).text

    addresses = re.findall(r'(?:href|src|action)="([^"#][^"]*)"', page)
    assert len(addresses) == 10
    assert all(address.startswith("/mood/") for address in addresses), addresses
    assert anonymous.get(next(one for one in addresses if "dashboard.css" in one)).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "tone.example"])
def test_a_form_of_the_public_address_is_our_own_whatever_host_a_proxy_passes_on(
    workspace: Workspace, host: str
) -> None:
    public = replace(workspace, dashboard="https://tone.example/mood")
    found = client(public, at=LOCAL, Origin="https://tone.example", Host=host)

    assert found.post("/sign-in", data={"key": create_key(workspace)}).status_code == 303


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "There is no text"),
        (" \n", "There is no text"),
        ("x" * 10_001, "longer than"),
        ("x", "No release"),
    ],
)
def test_a_text_that_cannot_be_explained_has_a_message(local: TestClient, text: str, message: str) -> None:
    response = local.post("/try?fragment=1", data={"text": text, "csrf_token": csrf_token(local)})

    assert (response.status_code, message in response.text) == (400, True)
    assert "<html" not in response.text


@pytest.mark.attack("A2")
def test_a_text_from_another_site_is_rejected(local: TestClient) -> None:
    form = {"text": "x", "csrf_token": csrf_token(local)}

    assert local.post("/try", data=form, headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_wrong_method_is_405(local: TestClient, workspace: Workspace) -> None:
    for path in ("/", "/try", "/sign-in", "/actions/rollback/R1"):
        assert local.delete(path).status_code == 405
    assert local.get("/sign-out").status_code == 405
