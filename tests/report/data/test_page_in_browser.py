"""The page of a data version in a real browser, from a file: wide and narrow, light and dark."""

from pathlib import Path

import pytest
from data_reports import data_report
from playwright.sync_api import Browser

from pipeline.report.data.page import data_page

pytestmark = pytest.mark.needs("chromium")


@pytest.mark.parametrize(
    ("width", "scheme", "ground"),
    [
        (1100, "light", "rgb(251, 250, 247)"),
        (400, "light", "rgb(251, 250, 247)"),
        (400, "dark", "rgb(20, 24, 26)"),
    ],
)
def test_it_opens_from_a_file_quietly_and_never_scrolls_sideways(
    browser: Browser, tmp_path: Path, width: int, scheme: str, ground: str
) -> None:
    path = tmp_path / "data-v2.html"
    path.write_text(data_page(data_report()), "utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())

    across, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    plot = page.evaluate("document.querySelector('svg.over-time').getBoundingClientRect().width")
    lines = page.evaluate("document.querySelectorAll('svg.over-time .course').length")
    shown = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ran = page.evaluate("window.ran")
    context.close()

    assert (said, asked, ran) == ([], [path.as_uri()], None)
    assert across <= room
    assert (plot > 200, lines, shown) == (True, 3, ground)
