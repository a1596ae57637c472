"""The dashboard in a real browser, served by the real service: it reads, answers, explains, signs in, acts; forgeries do nothing."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import world
from hosting import HOSTILE, Hosted, hosted
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"

from pipeline.base.records import Alert
from pipeline.io.registry.ledger import Ledger
from pipeline.io.security import api_keys
from pipeline.operations import api_keys as access

pytestmark = pytest.mark.needs("chromium")
VIEWS = [(1200, "light"), (400, "light"), (400, "dark")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        with hosted(tmp_path_factory.mktemp("hosted")) as found:
            yield found


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sheet(browser: Browser, service: Hosted, said: list[str]) -> Iterator[Page]:
    """Open a tab of a browser that knows nothing yet, and note all it complains about."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(request.url))
    yield page
    context.close()


def sign_in(page: Page, service: Hosted, scope: str = "admin") -> None:
    page.goto(f"{service.address}/sign-in")
    page.get_by_label("API key").fill(service.keys[scope])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.address}/")


def moves(service: Hosted) -> int:
    return len(Ledger(service.places.ledger).moves())


@pytest.mark.parametrize(("width", "scheme"), VIEWS, ids=[f"{width}-{scheme}" for width, scheme in VIEWS])
def test_the_page_reads_without_complaint_and_never_scrolls_sideways(
    browser: Browser, service: Hosted, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
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

    assert said == []
    assert across <= room
    assert all(url.startswith(service.address) for url in asked)
    assert len(plots) == 4
    assert all(
        plot["box"]["width"] > 200 and plot["box"]["height"] > 60 and len(plot["named"]) > 10
        for plot in plots
    )


def test_the_page_is_whole_without_script(browser: Browser, service: Hosted) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, service, "predict")
    page.goto(f"{service.address}/topics/phones")

    headings = page.get_by_role("heading", level=2).all_text_contents()
    rows = page.locator("#tone-table tr").count()
    page.get_by_label("A text, as somebody would write it").fill("word1 word2")
    page.get_by_role("button", name="What is its tone?").click()
    answer = page.locator(".answer").inner_text()
    context.close()

    assert headings == [
        "Tone over time",
        "Drift",
        "Quality",
        "Try a text",
        "Champions",
        "Alerts",
        "Flows",
        "Data versions",
    ]
    assert rows == 71
    assert answer.startswith("R2 says ")


def test_the_page_leads_to_the_report_of_a_release_which_reads_without_complaint(
    sheet: Page, service: Hosted, said: list[str]
) -> None:
    sheet.goto(service.address)
    sheet.locator("ol.reasons").get_by_role("link", name="R2").first.click()

    assert sheet.get_by_role("heading", level=1).inner_text() == "Release R2"
    assert sheet.locator("svg[role=img]").count() >= 3
    assert (
        sheet.evaluate("getComputedStyle(document.querySelector('.verdict')).borderRadius") != "0px"
    )  # its style was let in
    assert said == []


def test_a_chart_is_read_out_by_pointer_and_by_arrow_keys(
    sheet: Page, service: Hosted, said: list[str]
) -> None:
    sheet.goto(f"{service.address}/topics/phones")
    plot, told = sheet.locator("svg.over-time").first, sheet.locator(".read-out").first

    plot.hover(position={"x": 500, "y": 100})
    by_pointer = told.inner_text()
    sheet.mouse.move(0, 0)
    plot.focus()
    sheet.keyboard.press("ArrowLeft")
    newest = told.inner_text()
    sheet.keyboard.press("ArrowLeft")

    assert "negative: " in by_pointer
    assert newest.startswith("2026-11-25 07:00 UTC")
    assert told.inner_text().startswith("2026-11-25 06:00 UTC")
    assert said == []


def test_a_tried_text_is_answered_in_its_place_and_kept_nowhere(
    sheet: Page, service: Hosted, said: list[str]
) -> None:
    sign_in(sheet, service, "predict")

    # Two words for neutral and one for negative; what a text says may be anything.
    sheet.get_by_label("A text, as somebody would write it").fill(f"word1 word4 word3 {HOSTILE}")
    sheet.get_by_role("button", name="What is its tone?").click()
    sheet.locator(".answer").wait_for()
    words = sheet.locator(".words .word")

    assert sheet.locator(".answer").inner_text() == f"R2 says {world.LABELS[1]}"
    assert words.nth(0).inner_text() == "word1"
    assert "for-" in str(words.nth(0).get_attribute("class"))
    assert "against-" in str(words.nth(2).get_attribute("class"))
    assert sheet.evaluate("window.ran") is None
    assert said == []
    assert not [
        path for path in service.places.journal.rglob("*") if path.is_file() and b"word4" in path.read_bytes()
    ]


def test_a_text_asks_for_a_key_where_there_are_keys(sheet: Page, service: Hosted) -> None:
    sheet.goto(service.address)
    sheet.get_by_label("A text, as somebody would write it").fill("word1")
    sheet.get_by_role("button", name="What is its tone?").click()

    sheet.get_by_text("Sign in with a key of scope predict or admin first").wait_for()


def test_an_admin_approves_and_goes_back(sheet: Page, service: Hosted, said: list[str]) -> None:
    sign_in(sheet, service)
    sheet.get_by_role("link", name="Approve R3…").click()
    steps = sheet.locator(".steps li").all_text_contents()
    assert steps[:2] == [
        "The ledger records who approved R3, and why.",
        "The ledger records the move from R2 to R3.",
    ]
    _confirm(sheet, "R3", "a test", "Approve R3 and let it serve")
    assert service.champion == "R3"

    sheet.get_by_role("link", name="To the dashboard").click()
    sheet.get_by_role("link", name="Roll back to R2…").click()
    _confirm(sheet, "R2", f"complaints {HOSTILE}", "Roll back to R2")

    last = Ledger(service.places.ledger).moves()[-1]
    assert (last.origin, last.target, last.reason) == ("R3", "R2", f"complaints {HOSTILE}")
    assert last.actor == f"admin <b> ({service.ids['admin']})"
    sheet.get_by_role("link", name="To the dashboard").click()
    sheet.get_by_text(f"complaints {HOSTILE}").first.wait_for()
    assert sheet.evaluate("window.ran") is None
    assert said == []
    _wait_for(service, "R2")


def _wait_for(service: Hosted, release: str) -> None:
    until = time.monotonic() + 10
    while httpx.get(f"{service.address}/v1/release").json()["release"] != release:
        assert time.monotonic() < until
        time.sleep(0.05)


def _confirm(page: Page, release: str, reason: str, button: str) -> None:
    page.get_by_label(f"Type {release} to confirm").fill(release)
    page.get_by_label("Because").fill(reason)
    page.get_by_role("button", name=button).click()
    page.get_by_role("heading", name="Done").wait_for()


def test_what_hostile_people_wrote_comes_out_as_words(sheet: Page, service: Hosted, said: list[str]) -> None:
    from pipeline.io import alerts

    alerts.add_alerts(
        service.places.alerts,
        [Alert(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, link="javascript:window.ran=3")],
    )
    sheet.goto(service.address)
    sheet.get_by_role("navigation", name="Topics").get_by_text(HOSTILE).click()

    assert sheet.get_by_role("heading", level=1).inner_text() == HOSTILE
    assert sheet.get_by_text(HOSTILE).count() > 3
    sheet.evaluate(
        "document.querySelectorAll('a').forEach(one => { if (one.href.startsWith('javascript:')) window.ran = 3 })"
    )
    assert sheet.evaluate("window.ran") is None
    assert said == []


def test_the_policy_stops_what_would_slip_in(sheet: Page, service: Hosted) -> None:
    sheet.goto(service.address)

    ran, blocked = sheet.evaluate(
        """() => new Promise(done => {
            const seen = [];
            setTimeout(() => done([window.ran === 1, seen.sort()]), 5000);
            document.addEventListener('securitypolicyviolation', event => {
                seen.push(event.effectiveDirective);
                if (seen.length === 4) done([window.ran === 1, seen.sort()]);
            });
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            const far = document.createElement('script');
            far.src = 'http://127.0.0.1:9/x.js';
            const image = document.createElement('img');
            image.src = 'http://127.0.0.1:9/x.png';
            const told = document.createElement('b');
            told.setAttribute('onclick', 'window.ran = 1');
            document.body.append(script, far, image, told);
            told.click();
        })"""
    )

    assert (ran, blocked) == (False, ["img-src", "script-src-attr", "script-src-elem", "script-src-elem"])


def test_a_forged_form_moves_nothing_however_it_is_forged(sheet: Page, service: Hosted) -> None:
    sign_in(sheet, service)
    (cookie,) = sheet.context.cookies()
    sheet.goto(f"{service.address}/acts/rollback/R1")
    token = sheet.locator("input[name=token]").last.input_value()
    fields = {"token": token, "expected": "R2", "typed": "R1", "reason": "forged"}
    before = moves(service)
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({**fields, "token": ""}, {"Origin": service.address}),
        ({**fields, "token": token[:-1] + ("0" if token[-1] != "0" else "1")}, {"Origin": service.address}),
        (fields, {"Origin": "http://evil.example"}),
        (fields, {"Origin": "null"}),
        (fields, {}),
        (fields, {"Origin": service.address, "Sec-Fetch-Site": "cross-site"}),
        (fields, {"Origin": service.address.replace("http:", "ftp:")}),
        (fields, {"Origin": f"{service.address}0"}),
    ]

    for form, headers in forgeries:
        answer = httpx.post(
            f"{service.address}/acts/rollback/R1",
            data=form,
            headers=headers,
            cookies={cookie["name"]: cookie["value"]},
        )
        assert (answer.status_code, moves(service)) == (403, before), (form, headers)

    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    for wrong, status in (
        ({"typed": "R2"}, 400),
        ({"reason": " "}, 400),
        ({"expected": "R1"}, 409),
        ({"reason": "x" * 501}, 400),
    ):
        headers = {"Origin": service.address}
        answer = httpx.post(
            f"{service.address}/acts/rollback/R1",
            data={**fields, **wrong},
            headers=headers,
            cookies={cookie["name"]: cookie["value"]},
        )
        assert (answer.status_code, moves(service)) == (status, before), wrong


def test_a_page_of_somebody_else_cannot_act_for_a_signed_in_admin(sheet: Page, service: Hosted) -> None:
    sign_in(sheet, service)
    before = moves(service)
    form = "".join(
        f"<input name='{name}' value='{value}'>"
        for name, value in (("expected", "R2"), ("typed", "R1"), ("reason", "forged"))
    )

    with _elsewhere(
        f"<form method=post action='{service.address}/acts/rollback/R1'>{form}</form><script>document.forms[0].submit()</script>"
    ) as evil:
        # The cookie is not sent along from another site, so it is as if nobody had signed in.
        sheet.goto(evil)
        sheet.get_by_role("heading", name="Sign in").wait_for()

    assert moves(service) == before


@contextlib.contextmanager
def _elsewhere(content: str) -> Iterator[str]:
    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        # Another name of this machine is another site to a browser.
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_revoked_key_ends_its_session_at_the_next_act(sheet: Page, service: Hosted, tmp_path: Path) -> None:
    made = access.new_key(service.places, name="bob", scopes=["admin"], days=None)
    service.keys["bob"] = made["key"]
    sign_in(sheet, service, "bob")
    sheet.goto(f"{service.address}/acts/rollback/R1")
    sheet.get_by_label("Type R1 to confirm").fill("R1")
    sheet.get_by_label("Because").fill("too late")
    before = moves(service)

    access.revoke_key(service.places, made["id"])
    sheet.get_by_role("button", name="Roll back to R1").click()

    sheet.get_by_role("heading", name="Sign in").wait_for()
    assert moves(service) == before
    assert [key.name for key in api_keys.list_keys(service.places.keys) if key.revoked] == ["bob"]


def test_a_key_that_is_no_admins_may_look_and_not_act(sheet: Page, service: Hosted) -> None:
    sign_in(sheet, service, "feedback")

    sheet.goto(f"{service.address}/acts/rollback/R1")

    assert "may look and not act" in sheet.inner_text("main")
    sheet.get_by_role("button", name="Sign out").click()
    sheet.get_by_role("heading", name="Sign in").wait_for()
    assert sheet.context.cookies() == []


def test_a_wrong_key_opens_nothing(sheet: Page, service: Hosted) -> None:
    sheet.goto(f"{service.address}/sign-in")
    sheet.get_by_label("API key").fill(service.keys["admin"][:-1])
    sheet.get_by_role("button", name="Sign in").click()

    assert "no key that opens anything" in sheet.get_by_role("alert").inner_text()
    assert sheet.context.cookies() == []
