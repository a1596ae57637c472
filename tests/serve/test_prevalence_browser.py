"""A topic's page in a real browser: its shares are not corrected until people have labelled its texts."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import running_service
import world
from journal_fixtures import ENTRY, stamp
from playwright.sync_api import Browser, Page

from pipeline.base.config import Workspace
from pipeline.base.times import format_seconds
from pipeline.io.journal.journal import Journal, request_id
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.watch import run_watch

WINDOW, LABELLED = 150, 24  # texts
TILES = ".tiles .bounds"


def journal_texts(workspace: Workspace, texts: Sequence[str], when: datetime) -> None:
    """Journal what R1 predicts for these texts about phones, a second apart."""
    predictions = ReferenceCache(workspace).get("R1").predictor.predict(list(texts))
    entries = [
        dataclasses.replace(
            ENTRY,
            request=request_id(when + timedelta(seconds=row)),
            time=stamp(when + timedelta(seconds=row)),
            text=text,
            label=predictions.labels[row],
            probabilities=tuple(predictions.probabilities[row].tolist()),
            topic="phones",
            cluster=f"{when:%H}-{row}",
        )
        for row, text in enumerate(texts)
    ]
    journal = Journal(workspace.journal, retention_days=90)
    journal.append(entries)
    journal.close()


def label_everything(page: Page, address: str) -> None:
    """Label each text of the queue by keyboard with its true label."""
    truth = {text.text: str(world.LABELS.index(text.label) + 1) for text in world.TEXTS}
    page.goto(f"{address}/labels?topic=phones")
    for _ in range(LABELLED):
        with page.expect_navigation():
            page.keyboard.press(truth[page.locator("#text").inner_text()])


def open_topic(page: Page, address: str, *, windows: int) -> None:
    """Open the page of the topic; it is drawn anew a few seconds after a window was reported."""
    for _ in range(100):
        page.goto(f"{address}/topics/phones")
        if page.locator("#prevalence-table tr").count() == windows:
            return
        page.wait_for_timeout(200)
    raise AssertionError(page.inner_text("main"))


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_labels_turn_not_corrected_into_an_interval(browser: Browser, tmp_path: Path) -> None:
    workspace = world.build(tmp_path, f"sqlite:///{tmp_path}/.tonewatch/mlflow.db")
    world.set_watch(
        workspace,
        audit={"per_topic_per_day": 24 * LABELLED, "second_opinion": 0.0},
        prevalence={"min_labels": 20},
    )
    world.serve(workspace, wrong=10)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=12)
    journal_texts(workspace, [text.text for text in world.TEXTS[:WINDOW]], first)
    _, header = running_service.create_key(workspace, "label")

    with running_service.running(workspace, ready=False) as found:
        address = f"http://127.0.0.1:{found.port}"
        page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
        page.goto(f"{address}/sign-in")
        page.get_by_label("API key").fill(header["Authorization"].removeprefix("Bearer "))
        page.get_by_role("button", name="Sign in").click()

        run_watch(workspace, now=format_seconds(first + timedelta(hours=4)))
        open_topic(page, address, windows=1)
        before = page.locator(TILES).all_inner_texts()
        why = page.locator("#uncorrected").inner_text()

        label_everything(page, address)
        journal_texts(workspace, [text.text for text in world.TEXTS[WINDOW:]], first + timedelta(hours=4))
        run_watch(workspace, now=format_seconds(first + timedelta(hours=5)))
        open_topic(page, address, windows=2)
        after = page.locator(TILES).all_inner_texts()
        left = page.locator("#uncorrected").count()
        page.context.close()

    assert before == ["not corrected"] * 3
    assert "no audit label" in why
    assert all(" to " in bounds for bounds in after)
    assert (len(after), left) == (3, 0)
