"""Take a picture of a page: `python infra/screenshot.py URL OUT.png [--width 1200] [--dark] [--text TEXT]`.

The API key to sign in with comes from TONEWATCH_KEY, so that no shell history holds it.
Needs Debian's chromium (`apt-get install chromium`) and playwright, which the tests use too.
"""

import argparse
import os
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
SHARP = 2  # dots of the picture for each of the page, so that it stays sharp in a README


def main() -> None:
    """Take one picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, help="of the picture; by default as high as the page")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--text", help="a text to try, so that its answer is on the picture")
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": asked.width, "height": asked.height or 900},
            color_scheme="dark" if asked.dark else "light",
            device_scale_factor=SHARP,
        )
        page.goto(asked.url)
        if key := os.environ.get("TONEWATCH_KEY"):
            _sign_in(page, asked.url, key)
        if asked.text:
            page.locator("#try-text").fill(asked.text)
            page.locator("#try-form button").click()
            page.locator("#tried :first-child").first.wait_for()
        page.screenshot(path=asked.out, full_page=asked.height is None)
        browser.close()


def _sign_in(page: Page, url: str, key: str) -> None:
    page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2] + "/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.goto(url)


if __name__ == "__main__":
    main()
