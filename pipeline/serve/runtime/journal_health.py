"""Whether the journal can be written: an alert while it cannot, and a probe until it can again."""

import asyncio
import threading
import time
from collections.abc import Callable

from pipeline.base import logs
from pipeline.base.errors import TonewatchError

log = logs.get("serve")
PROBE_SECONDS = 2.0
# An alert is offered again after so long; the quiet period decides whether it is sent.
ALERT_SECONDS = 600.0


class JournalHealth:
    """Remember whether the last write succeeded; `alert` gets the reason of a failure, in a thread."""

    def __init__(self, probe: Callable[[], None], alert: Callable[[str], None]) -> None:
        self.writable = True
        self._probe = probe
        self._alert = alert
        self._alert_after = 0.0

    def written(self) -> None:
        """Record a write."""
        if not self.writable:
            log.info("journal.recovered")
        self.writable = True

    def failed(self, error: Exception) -> None:
        """Record a failed write, and raise an alert unless one was raised just before.

        An unexpected error is one of a text, not of the journal; its message may repeat that text.
        """
        if not isinstance(error, TonewatchError):
            log.error("journal.failed", why=type(error).__name__)
            return
        self.writable = False
        log.error("journal.failed", why=str(error))
        if time.monotonic() >= self._alert_after:
            self._alert_after = time.monotonic() + ALERT_SECONDS
            # Whoever sends it may wait for the network.
            threading.Thread(
                target=self._alert, args=(str(error),), name="journal-alert", daemon=True
            ).start()

    async def watch(self) -> None:
        """Probe the journal once, and again as long as the last write failed, until cancelled."""
        await asyncio.to_thread(self._try)
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if not self.writable:
                await asyncio.to_thread(self._try)

    def _try(self) -> None:
        try:
            self._probe()
        except Exception as error:
            self.failed(error)
        else:
            self.written()
