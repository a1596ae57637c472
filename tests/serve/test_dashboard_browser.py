"""The dashboard in a real browser: pages, explanations, sign-in and actions work; forged forms do nothing."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import world
from playwright.sync_api import Browser, Page
from running_dashboard import HOSTILE, Dashboard, run_dashboard

from pipeline.base.records import Alert
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys
from pipeline.operations import api_keys as key_commands
from pipeline.operations.dashboard.actions import open_sessions

pytestmark = pytest.mark.needs("chromium")
VIEWS = [
    pytest.param(1200, "light", id="1200-light"),
    pytest.param(400, "light", id="400-light", marks=pytest.mark.slow),
    pytest.param(400, "dark", id="400-dark"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        with run_dashboard(tmp_path_factory.mktemp("hosted")) as found:
            yield found


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, service: Dashboard, complaints: list[str]) -> Iterator[Page]:
    """Open a tab of a fresh browser profile, and collect what it complains about."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.add_cookies([reader_cookie(service)])
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    yield page
    context.close()


def sign_in(page: Page, service: Dashboard, scope: str = "admin") -> None:
    page.goto(f"{service.address}/sign-in")
    page.get_by_label("API key").fill(service.keys[scope])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.address}/")


def reader_cookie(service: Dashboard) -> Any:
    """Return the cookie of a session that may read only."""
    sessions = open_sessions(service.workspace)
    cookie = sessions.open(service.keys["feedback"], now=datetime.now(UTC))
    return {"name": sessions.cookie_name, "value": cookie, "url": service.address}


def moves(service: Dashboard) -> int:
    return len(Ledger(service.workspace.ledger).moves())


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_page_has_no_errors_and_never_scrolls_sideways(
    browser: Browser, service: Dashboard, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.add_cookies([reader_cookie(service)])
    page, complaints, requests = context.new_page(), [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{service.address}/topics/phones")
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")

    across, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    plots = page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].map(plot => ({
            box: plot.getBoundingClientRect().toJSON(),
            named: document.getElementById(plot.getAttribute('aria-labelledby').split(' ')[0]).textContent,
        }))"""
    )
    context.close()

    assert complaints == []
    assert across <= room
    assert all(url.startswith(service.address) for url in requests)
    assert len(plots) == 4
    assert all(
        plot["box"]["width"] > 200 and plot["box"]["height"] > 60 and len(plot["named"]) > 10
        for plot in plots
    )


def test_the_page_works_without_scripts(browser: Browser, service: Dashboard) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, service, "predict")
    page.goto(f"{service.address}/topics/phones")

    headings = page.get_by_role("heading", level=2).all_text_contents()
    rows = page.locator("#prevalence-table tr").count()
    page.get_by_label("Enter a text").fill("word1 word2")
    page.get_by_role("button", name="Predict sentiment").click()
    answer = page.locator(".prediction").inner_text()
    context.close()

    assert headings == [
        "Sentiment over time",
        "Drift",
        "Quality",
        "Try a text",
        "Champions",
        "Alerts",
        "Flows",
        "Data versions",
    ]
    assert rows == 71
    assert answer.startswith("R2 predicts ")


def test_the_page_links_to_the_report_of_a_release(
    page: Page, service: Dashboard, complaints: list[str]
) -> None:
    page.goto(service.address)
    page.locator("ol.reasons").get_by_role("link", name="R2").first.click()

    assert page.get_by_role("heading", level=1).inner_text() == "Release R2"
    assert page.locator("svg[role=img]").count() >= 3
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.verdict')).borderRadius") != "0px"
    )  # its style page was loaded
    assert complaints == []


def test_a_chart_shows_values_by_pointer_and_arrow_keys(
    page: Page, service: Dashboard, complaints: list[str]
) -> None:
    page.goto(f"{service.address}/topics/phones")
    plot, read_out = page.locator("svg.over-time").first, page.locator(".read-out").first

    plot.hover(position={"x": 500, "y": 100})
    by_pointer = read_out.inner_text()
    page.mouse.move(0, 0)
    plot.focus()
    page.keyboard.press("ArrowLeft")
    newest = read_out.inner_text()
    page.keyboard.press("ArrowLeft")

    assert "negative: " in by_pointer
    assert newest.startswith("2026-11-25 07:00 UTC")
    assert read_out.inner_text().startswith("2026-11-25 06:00 UTC")
    assert complaints == []


def test_a_text_is_explained_in_place_and_not_stored(
    page: Page, service: Dashboard, complaints: list[str]
) -> None:
    sign_in(page, service, "predict")

    # Two words for neutral and one for negative.
    page.get_by_label("Enter a text").fill(f"word1 word4 word3 {HOSTILE}")
    page.get_by_role("button", name="Predict sentiment").click()
    page.locator(".prediction").wait_for()
    words = page.locator(".words .word")

    assert page.locator(".prediction").inner_text() == f"R2 predicts {world.LABELS[1]}"
    assert words.nth(0).inner_text() == "word1"
    assert "for-" in str(words.nth(0).get_attribute("class"))
    assert "against-" in str(words.nth(2).get_attribute("class"))
    assert page.evaluate("window.ran") is None
    assert complaints == []
    assert not [
        path
        for path in service.workspace.journal.rglob("*")
        if path.is_file() and b"word4" in path.read_bytes()
    ]


def test_explaining_a_text_needs_a_key_where_keys_exist(page: Page, service: Dashboard) -> None:
    page.goto(service.address)
    page.get_by_label("Enter a text").fill("word1")
    page.get_by_role("button", name="Predict sentiment").click()

    page.get_by_text("Sign in with a key of scope predict or admin").wait_for()


def test_an_admin_approves_and_rolls_back(page: Page, service: Dashboard, complaints: list[str]) -> None:
    sign_in(page, service)
    page.get_by_role("link", name="Approve R3…").click()
    steps = page.locator(".steps li").all_text_contents()
    assert steps[:2] == [
        "The ledger records who approved R3, and why.",
        "The ledger records the move from R2 to R3.",
    ]
    _confirm(page, "R3", "a test", "Approve R3 and put it in service")
    assert service.champion == "R3"

    page.get_by_role("link", name="Back to the dashboard").click()
    page.get_by_role("link", name="Roll back to R2…").click()
    _confirm(page, "R2", f"feedback {HOSTILE}", "Roll back to R2")

    last = Ledger(service.workspace.ledger).moves()[-1]
    assert (last.origin, last.target, last.reason) == ("R3", "R2", f"feedback {HOSTILE}")
    assert last.actor == f"admin <b> ({service.ids['admin']})"
    page.get_by_role("link", name="Back to the dashboard").click()
    page.get_by_text(f"feedback {HOSTILE}").first.wait_for()
    assert page.evaluate("window.ran") is None
    assert complaints == []
    _wait_for(service, "R2")


def _wait_for(service: Dashboard, release: str) -> None:
    until = time.monotonic() + 10
    headers = {"Authorization": f"Bearer {service.keys['predict']}"}
    while httpx.get(f"{service.address}/v1/release", headers=headers).json()["release"] != release:
        assert time.monotonic() < until
        time.sleep(0.05)


def _confirm(page: Page, release: str, reason: str, button: str) -> None:
    page.get_by_label(f"Type {release} to confirm").fill(release)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=button).click()
    page.get_by_role("heading", name="Done").wait_for()


def test_hostile_content_is_escaped(page: Page, service: Dashboard, complaints: list[str]) -> None:
    from pipeline.io import alerts

    alerts.add_alerts(
        service.workspace.alerts,
        [Alert(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, link="javascript:window.ran=3")],
    )
    page.goto(service.address)
    page.get_by_role("navigation", name="Topics").get_by_text(HOSTILE).click()

    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE
    assert page.get_by_text(HOSTILE).count() > 3
    page.evaluate("document.querySelectorAll('a[href^=\"javascript:\"]').forEach(() => { window.ran = 3 })")
    assert page.evaluate("window.ran") is None
    assert complaints == []


def test_the_content_security_policy_blocks_injected_code(page: Page, service: Dashboard) -> None:
    page.goto(service.address)

    ran, blocked = page.evaluate(
        """() => new Promise(done => {
            const violations = [];
            setTimeout(() => done([window.ran === 1, violations.sort()]), 5000);
            document.addEventListener('securitypolicyviolation', event => {
                violations.push(event.effectiveDirective);
                if (violations.length === 4) done([window.ran === 1, violations.sort()]);
            });
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            const far = document.createElement('script');
            far.src = 'http://127.0.0.1:9/x.js';
            const image = document.createElement('img');
            image.src = 'http://127.0.0.1:9/x.png';
            const bold = document.createElement('b');
            bold.setAttribute('onclick', 'window.ran = 1');
            document.body.append(script, far, image, bold);
            bold.click();
        })"""
    )

    assert (ran, blocked) == (False, ["img-src", "script-src-attr", "script-src-elem", "script-src-elem"])


def test_a_forged_form_changes_nothing(page: Page, service: Dashboard) -> None:
    sign_in(page, service)
    (cookie,) = page.context.cookies()
    page.goto(f"{service.address}/actions/rollback/R1")
    token = page.locator("input[name=csrf_token]").last.input_value()
    fields = {"csrf_token": token, "expected": "R2", "confirmation": "R1", "reason": "forged"}
    before = moves(service)
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({**fields, "csrf_token": ""}, {"Origin": service.address}),
        (
            {**fields, "csrf_token": token[:-1] + ("0" if token[-1] != "0" else "1")},
            {"Origin": service.address},
        ),
        (fields, {"Origin": "http://evil.example"}),
        (fields, {"Origin": "null"}),
        (fields, {}),
        (fields, {"Origin": service.address, "Sec-Fetch-Site": "cross-site"}),
        (fields, {"Origin": service.address.replace("http:", "ftp:")}),
        (fields, {"Origin": f"{service.address}0"}),
    ]

    for form, headers in forgeries:
        answer = httpx.post(
            f"{service.address}/actions/rollback/R1",
            data=form,
            headers=headers,
            cookies={cookie["name"]: cookie["value"]},
        )
        assert (answer.status_code, moves(service)) == (403, before), (form, headers)

    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    for wrong, status in (
        ({"confirmation": "R2"}, 400),
        ({"reason": " "}, 400),
        ({"expected": "R1"}, 409),
        ({"reason": "x" * 501}, 400),
    ):
        headers = {"Origin": service.address}
        answer = httpx.post(
            f"{service.address}/actions/rollback/R1",
            data={**fields, **wrong},
            headers=headers,
            cookies={cookie["name"]: cookie["value"]},
        )
        assert (answer.status_code, moves(service)) == (status, before), wrong


def test_another_site_cannot_act_for_a_signed_in_admin(page: Page, service: Dashboard) -> None:
    sign_in(page, service)
    before = moves(service)
    form = "".join(
        f"<input name='{name}' value='{value}'>"
        for name, value in (("expected", "R2"), ("confirmation", "R1"), ("reason", "forged"))
    )

    with _other_site(
        f"<form method=post action='{service.address}/actions/rollback/R1'>{form}</form>"
        "<script>document.forms[0].submit()</script>"
    ) as evil:
        # Browsers do not send the cookie from another site, so nobody is signed in.
        page.goto(evil)
        page.get_by_role("heading", name="Sign in").wait_for()

    assert moves(service) == before


@contextlib.contextmanager
def _other_site(content: str) -> Iterator[str]:
    class Attacker(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Attacker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # Another name of this machine is another site to a browser.
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_revoked_key_ends_its_session_at_the_next_action(
    page: Page, service: Dashboard, tmp_path: Path
) -> None:
    made = key_commands.new_key(service.workspace, name="bob", scopes=["admin"], days=None)
    service.keys["bob"] = made["key"]
    sign_in(page, service, "bob")
    page.goto(f"{service.address}/actions/rollback/R1")
    page.get_by_label("Type R1 to confirm").fill("R1")
    page.get_by_label("Reason").fill("too late")
    before = moves(service)

    key_commands.revoke_key(service.workspace, made["id"])
    page.get_by_role("button", name="Roll back to R1").click()

    page.get_by_role("heading", name="Sign in").wait_for()
    assert moves(service) == before
    assert [key.name for key in api_keys.list_keys(service.workspace.keys) if key.revoked] == ["bob"]


def test_a_key_without_the_scope_admin_cannot_act(page: Page, service: Dashboard) -> None:
    sign_in(page, service, "feedback")

    page.goto(f"{service.address}/actions/rollback/R1")

    assert "lacks the scope admin" in page.inner_text("main")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.context.cookies() == []


def test_a_wrong_key_does_not_sign_in(page: Page, service: Dashboard) -> None:
    page.context.clear_cookies()
    page.goto(f"{service.address}/sign-in")
    page.get_by_label("API key").fill(service.keys["admin"][:-1])
    page.get_by_role("button", name="Sign in").click()

    assert "unknown, expired or revoked" in page.get_by_role("alert").inner_text()
    assert page.context.cookies() == []
