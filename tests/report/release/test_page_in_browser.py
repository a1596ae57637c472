"""The report pages in a real browser, opened from a file: wide and narrow, in light and dark mode."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from pipeline.base.documents import upgrade_release
from pipeline.io.registry.ledger_entries import ChampionMove, reigns
from pipeline.report.release.page import history_page, release_page

pytestmark = pytest.mark.needs("chromium")
FIXTURES = Path(__file__).parents[2] / "fixtures"
PLOTS = {"release": 6, "refused": 6, "first": 3, "history": 1}
HEADING = {"release": "Release R3", "refused": "Release R4", "first": "Release R1", "history": "Champions"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an accepted, a refused and a first release, and the history."""
    folder = tmp_path_factory.mktemp("pages")
    release, refused = (
        upgrade_release(json.loads((FIXTURES / f"{name}.json").read_text("utf-8")))
        for name in ("release", "refused")
    )
    move = ChampionMove(1, None, "R3", actor="ada", reason="first", time="2026-11-21T18:04:39Z", gate="")
    texts = {
        "tweet_0117": "<script>window.ran = 1</script><img src=http://example.invalid/x.png>"
        + "unbroken" * 60
    }
    written = {
        "release": release_page(release, texts),
        "refused": release_page(refused),
        "first": release_page(_first(release)),
        "history": history_page(reigns([move]), [release, refused], now="2026-11-22T09:00:00Z"),
    }
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return folder


@dataclass
class Opened:
    """Hold an open page, what it complained about and what it asked for."""

    name: str
    sheet: Page
    said: list[str]
    asked: list[str]


@pytest.fixture(
    scope="module",
    params=[(1100, "light"), (400, "light"), (400, "dark")],
    ids=lambda view: f"{view[0]}-{view[1]}",
)
def view(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield context
    context.close()


@pytest.fixture(scope="module", params=sorted(PLOTS))
def opened(view: BrowserContext, pages: Path, request: pytest.FixtureRequest) -> Opened:
    found = Opened(request.param, view.new_page(), [], [])
    found.sheet.on("console", lambda message: found.said.append(message.text))
    found.sheet.on("pageerror", lambda error: found.said.append(str(error)))
    found.sheet.on("requestfailed", lambda request: found.said.append(request.url))
    found.sheet.on("request", lambda request: found.asked.append(request.url))
    found.sheet.goto((pages / f"{found.name}.html").as_uri())
    return found


def test_a_page_opens_without_complaint_and_fetches_nothing(opened: Opened, pages: Path) -> None:
    assert opened.sheet.get_by_role("heading", level=1).text_content() == HEADING[opened.name]
    assert opened.said == []
    assert opened.asked == [(pages / f"{opened.name}.html").as_uri()]
    assert opened.sheet.evaluate("window.ran") is None


def test_the_plots_are_there_and_have_a_size_a_name_and_marks(opened: Opened) -> None:
    found = opened.sheet.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].map(plot => ({
            width: plot.getBoundingClientRect().width,
            height: plot.getBoundingClientRect().height,
            marks: [...plot.querySelectorAll('circle, path, rect')]
                .filter(mark => mark.getBoundingClientRect().width > 1).length,
            name: document.getElementById(plot.getAttribute('aria-labelledby').split(' ')[0]).textContent,
        }))"""
    )

    assert len(found) == PLOTS[opened.name]
    assert [
        plot
        for plot in found
        if plot["width"] < 200 or plot["height"] < 50 or not plot["marks"] or len(plot["name"]) < 10
    ] == []


def test_the_page_never_scrolls_sideways_with_all_that_folds_opened(opened: Opened) -> None:
    opened.sheet.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")

    across, room = opened.sheet.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")

    assert across <= room


def test_the_policy_is_in_force(browser: Browser, pages: Path) -> None:
    sheet = browser.new_page()
    sheet.goto((pages / "release.html").as_uri())

    blocked = sheet.evaluate(
        """() => new Promise(done => {
            const violations = [];
            setTimeout(() => done(violations.sort()), 5000);
            document.addEventListener('securitypolicyviolation', event => {
                violations.push(event.effectiveDirective);
                if (violations.length === 3) done(violations.sort());
            });
            const script = document.createElement('script');
            script.textContent = 'window.ran = 1';
            const style = document.createElement('style');
            style.textContent = 'body { display: none }';
            const image = document.createElement('img');
            image.src = 'http://127.0.0.1:9/x.png';
            document.body.append(script, style, image);
        })"""
    )
    ran, display = sheet.evaluate("[window.ran === 1, getComputedStyle(document.body).display]")
    sheet.close()

    assert blocked == ["img-src", "script-src-elem", "style-src-elem"]
    assert (ran, display) == (False, "block")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_light_of_the_reader(browser: Browser, pages: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    sheet = context.new_page()
    sheet.goto((pages / "release.html").as_uri())

    ground = sheet.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()

    assert ground == {"light": "rgb(251, 250, 247)", "dark": "rgb(20, 24, 26)"}[scheme]


def test_a_wide_table_can_be_scrolled_by_the_keyboard(browser: Browser, pages: Path) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800})
    sheet = context.new_page()
    sheet.goto((pages / "refused.html").as_uri())
    table = sheet.get_by_role("region", name="Slices: differences to the champion")

    table.focus()
    sheet.keyboard.press("ArrowRight")
    sheet.wait_for_function("node => node.scrollLeft > 0", arg=table.element_handle())
    context.close()


def _first(release: dict[str, Any]) -> dict[str, Any]:
    """Make it a release from before there was a menu, a comparison or anything but an evaluation."""
    names = (
        "created",
        "actor",
        "reason",
        "data_version",
        "model_version",
        "code_commit",
        "params_digest",
        "identity",
        "params",
        "lock",
        "files",
    )
    measured = (
        "labels",
        "texts",
        "macro_f1",
        "accuracy",
        "intervals",
        "per_source",
        "per_class",
        "confusion",
        "baselines",
    )
    evaluation = {name: release["evaluation"][name] for name in measured}
    bins = {"ece": 0.03, "bins": release["evaluation"]["calibration"]["bins"]}
    decision = {"accepted": True, "reasons": ["fine"], "parts": []}
    document = {name: release[name] for name in names}
    return {
        **document,
        "release": "R1",
        "comparison": None,
        "decision": decision,
        "evaluation": {**evaluation, "calibration": bins},
    }
