"""Whether the journal can be written: what turns it off, what turns it on, and how often it alerts."""

import asyncio
import contextlib
import threading

import pytest

from pipeline.base.errors import Fault
from pipeline.serve.runtime import journal_health
from pipeline.serve.runtime.journal_health import JournalHealth

FULL = Fault("The journal cannot write to 08.db (disk full).")


def join_alerts() -> None:
    for thread in threading.enumerate():
        if thread.name == "journal-alert":
            thread.join()


def test_failures_in_a_row_offer_one_alert_and_a_write_ends_them() -> None:
    alerts: list[str] = []
    health = JournalHealth(lambda: None, alerts.append)

    for _ in range(50):
        health.failed(FULL)
    join_alerts()

    assert (health.writable, alerts) == (False, [str(FULL)])
    health.written()
    assert health.writable


def test_an_error_of_one_text_is_none_of_the_journal(capsys: pytest.CaptureFixture[str]) -> None:
    health = JournalHealth(lambda: None, lambda reason: pytest.fail(reason))

    health.failed(ValueError("a canary of a text"))

    assert health.writable
    assert "canary" not in capsys.readouterr().err


def test_it_probes_at_the_start_and_until_a_write_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_health, "PROBE_SECONDS", 0.01)
    results: list[Fault | None] = [FULL, FULL, None]
    states: list[bool] = []

    def probe() -> None:
        states.append(health.writable)
        if error := results.pop(0):
            raise error

    health = JournalHealth(probe, lambda _: None)

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await health.watch()

    asyncio.run(run())

    assert (states, results, health.writable) == ([True, False, False], [], True)
