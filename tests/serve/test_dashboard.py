"""The routes of the dashboard asked over HTTP: who may read, which headers bind a page, and what a wrong request is answered with."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import seen
from starlette.testclient import TestClient

from pipeline.base.config import Workspace
from pipeline.io.security import api_keys
from pipeline.serve.main import build_app

CHECKOUT = Path(__file__).parents[2]
HERE, AWAY = "http://127.0.0.1:8000", "https://tone.example"
PAGES = ["/", "/topics/phones", "/try", "/sign-in", "/acts/rollback/R1"]


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    shutil.copyfile(CHECKOUT / "params.yaml", tmp_path / "params.yaml")
    return Workspace.of(tmp_path, {})


def key(places: Workspace, scope: str = "admin") -> str:
    return api_keys.create_key(places.keys, name="ada", scopes=[scope], days=None, now=datetime.now(UTC))[1]


def client(places: Workspace, *, at: str = HERE, **headers: str) -> TestClient:
    """Ask a service that only this machine reaches, or one that everybody does."""
    host = "127.0.0.1" if at == HERE else "0.0.0.0"
    return TestClient(
        build_app(places, host=host), base_url=at, headers={"Origin": at, **headers}, follow_redirects=False
    )


@pytest.fixture
def here(places: Workspace) -> TestClient:
    return client(places)


def test_every_page_is_bound_by_its_headers(here: TestClient, places: Workspace) -> None:
    seen.write(places.windows, windows=6)
    for path in PAGES:
        headers = here.get(path).headers
        if "location" not in headers:
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; style-src 'self'; script-src 'self';"
            )
            assert "unsafe" not in headers["content-security-policy"]
            assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
            # `no-referrer` would make browsers send `Origin: null` with our own forms.
            assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_no_page_holds_a_style_or_a_script_of_its_own(here: TestClient, places: Workspace) -> None:
    seen.write(places.windows, windows=6)

    page = here.get("/topics/phones").text

    assert " style=" not in page
    assert "<style" not in page
    assert " onclick=" not in page
    assert page.count("<script") == 1


def test_assets_may_be_kept_for_as_long_as_their_address_stands(here: TestClient) -> None:
    for name, kind in (
        ("dashboard.css", "text/css"),
        ("dashboard.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        found = here.get(f"/assets/{name}?v=1")
        assert found.headers["content-type"].startswith(kind)
        assert "immutable" in found.headers["cache-control"]
    for name in ("dashboard.html.j2", "..%2fpages.py", "page.css", "%00"):
        assert here.get(f"/assets/{name}").status_code == 404


def test_the_pages_are_no_part_of_the_api(here: TestClient) -> None:
    assert not [path for path in here.get("/openapi.json").json()["paths"] if not path.startswith("/v1/")]


def test_an_empty_workspace_has_its_page_too(here: TestClient) -> None:
    found = here.get("/")

    assert found.status_code == 200
    assert "No window was watched yet" in found.text
    assert "No release was judged yet" in found.text


def test_a_workspace_whose_parts_are_all_broken_still_has_its_page(
    here: TestClient, places: Workspace
) -> None:
    seen.write(places.windows, windows=6)
    (places.windows / "events.json").write_text("{")
    places.params.write_text("nonsense: [")
    (places.home / "ledger.db").unlink(missing_ok=True)
    (places.home / "ledger.db").mkdir()
    places.alerts.mkdir()
    (places.alerts / "A000001.json").write_text("{")

    found = here.get("/")

    assert found.status_code == 200
    assert found.text.count("not there") >= 4


@pytest.mark.parametrize(
    "path",
    [
        *("/topics/nobody%20speaks%20of", "/acts/destroy/R1", "/acts/rollback/R0", "/acts/rollback/.."),
        *("/releases/R0", "/releases/..%2fR1", "/assets/x"),
    ],
)
def test_what_is_not_there_is_404(here: TestClient, path: str) -> None:
    assert here.get(path).status_code == 404


def test_on_this_machine_everybody_may_read_but_only_an_admin_may_act(
    here: TestClient, places: Workspace
) -> None:
    key(places)

    assert here.get("/").status_code == 200
    assert here.get("/acts/rollback/R1").headers["location"] == "/sign-in?next=%2Facts%2Frollback%2FR1"
    assert here.post("/acts/rollback/R1", data={"typed": "R1"}).headers["location"] == "/sign-in?next=%2F"


def test_beyond_this_machine_a_key_is_asked_for_first(places: Workspace) -> None:
    told = key(places, "feedback")
    away = client(places, at=AWAY)

    assert away.get("/topics/a").headers["location"] == "/sign-in?next=%2Ftopics%2Fa"
    assert away.get("/releases/R1").headers["location"] == "/sign-in?next=%2Freleases%2FR1"
    assert away.post("/try", data={"text": "x"}).status_code == 303
    signed = away.post("/sign-in", data={"key": told, "next": "/topics/a"})

    assert (signed.status_code, signed.headers["location"]) == (303, "/topics/a")
    cookie = signed.headers["set-cookie"]
    assert cookie.startswith("__Host-tonewatch=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/", "Max-Age=1800"} <= set(cookie.split("; "))
    assert away.get("/").status_code == 200


def test_keys_that_are_gone_close_the_pages_and_do_not_open_them(places: Workspace) -> None:
    told = key(places)
    away = client(places, at=AWAY)
    away.post("/sign-in", data={"key": told})

    places.keys.unlink()

    assert away.get("/").status_code == 303


def test_another_name_for_this_machine_is_refused(places: Workspace) -> None:
    # A page elsewhere can let its own name lead here (DNS rebinding).
    assert client(places, at=HERE).get("/", headers={"Host": "evil.example"}).status_code == 403


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
def test_signing_in_leads_nowhere_else(here: TestClient, places: Workspace, target: str) -> None:
    assert here.post("/sign-in", data={"key": key(places), "next": target}).headers["location"] == "/"


def test_a_key_in_a_form_of_somebody_else_signs_nobody_in(places: Workspace) -> None:
    found = client(places).post(
        "/sign-in", data={"key": key(places)}, headers={"Origin": "http://evil.example"}
    )

    assert (found.status_code, found.headers.get("set-cookie")) == (403, None)


def test_signing_in_anew_ends_the_session_before(here: TestClient, places: Workspace) -> None:
    told = key(places)
    here.post("/sign-in", data={"key": told})
    here.post("/sign-in", data={"key": told})

    assert len(list((places.home / "sessions").glob("*.json"))) == 1


def test_without_keys_nobody_signs_in_and_the_page_says_how_to(here: TestClient) -> None:
    assert "tonewatch keys new" in here.get("/sign-in").text
    assert here.post("/sign-in", data={"key": "x"}).status_code == 401


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "There is no text"),
        (" \n", "There is no text"),
        ("x" * 10_001, "longer than"),
        ("x", "No release"),
    ],
)
def test_a_text_that_cannot_be_answered_says_why(here: TestClient, text: str, told: str) -> None:
    found = here.post("/try?part=1", data={"text": text})

    assert (found.status_code, told in found.text) == (400, True)
    assert "<html" not in found.text


def test_a_try_from_elsewhere_is_refused(here: TestClient) -> None:
    assert here.post("/try", data={"text": "x"}, headers={"Origin": "http://evil.example"}).status_code == 403


def test_a_route_is_asked_in_its_own_way_only(here: TestClient, places: Workspace) -> None:
    for path in ("/", "/try", "/sign-in", "/acts/rollback/R1"):
        assert here.delete(path).status_code == 405
    assert here.get("/sign-out").status_code == 405
