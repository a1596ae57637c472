"""Chromium for the tests of the pages."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

# Debian's, and never playwright's own download.
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for a file; only one playwright loop may run at a time."""
    with sync_playwright() as playwright:
        # Without a sandbox, which root has none of in a container: the only pages are our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
