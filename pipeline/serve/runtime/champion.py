"""Hold the champion in memory: poll the ledger, load a new champion beside the old one, then swap them."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from pipeline.base import logs, times
from pipeline.base.errors import TonewatchError, Unreachable
from pipeline.inference.champion import ChampionSource, LoadedRelease
from pipeline.serve.runtime.metrics import ServiceMetrics

log = logs.get("serve")
MAX_BACKOFF = 64  # polls; each attempt to load a champion reads all of its files


class ChampionHolder:
    """Hold the release that serves; a new one is loaded and warmed up while the old one goes on serving.

    While the ledger is unreachable, or a new champion cannot be loaded, the last verified release stays.
    """

    def __init__(self, source: ChampionSource, metrics: ServiceMetrics, now: Callable[[], datetime]) -> None:
        self._source = source
        self._metrics = metrics
        self._now = now
        self._serving: LoadedRelease | None = None
        self.unreachable_since: str | None = None
        self.refused: str | None = None
        self._failed_name: str | None = None
        self._backoff = self._skipped = 0

    @property
    def ready(self) -> bool:
        """Return whether a release is loaded."""
        return self._serving is not None

    def serving(self) -> LoadedRelease:
        """Return the release that serves now; raises Unreachable when none is loaded yet."""
        if self._serving is None:
            raise Unreachable(
                "No release is ready yet. Train one with `tonewatch run`; the service loads it by itself."
            )
        return self._serving

    def refresh(self) -> None:
        """Read the champion's name from the ledger, and load the champion if it changed."""
        try:
            name = self._source.current()
        except Exception as error:  # whatever is wrong with the ledger, the service goes on
            self._mark_unreachable(error)
            return
        if name is None and self._serving:
            self._mark_unreachable(
                Unreachable("The ledger no longer contains any release. Restore it from a backup.")
            )
            return
        self.unreachable_since = None
        self._metrics.ledger_reachable.set(1)
        if name is None or (self._serving and name == self._serving.name):
            self._clear_failure()
        elif not self._is_backing_off(name):
            try:
                self._replace(self._source.load(name))
            except Exception as error:
                self._record_failure(name, error)

    async def refresh_every(self, seconds: float) -> None:
        """Refresh every so many seconds in a thread, until cancelled."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(seconds)

    def _replace(self, new: LoadedRelease) -> None:
        old, self._serving = self._serving, new
        self._clear_failure()
        if old:
            self._metrics.champion_info.remove(old.name, old.data_version)
            self._metrics.reloads.inc()
        self._metrics.champion_info.labels(new.name, new.data_version).set(1)
        log.info(
            "champion.loaded",
            release=new.name,
            data_version=new.data_version,
            before=old.name if old else None,
        )

    def _is_backing_off(self, name: str) -> bool:
        self._skipped += 1
        return name == self._failed_name and self._skipped < self._backoff

    def _record_failure(self, name: str, error: Exception) -> None:
        if name != self._failed_name:
            self._backoff = 0
            serving = self._serving.name if self._serving else None
            log.error("champion.refused", release=name, why=_describe(error), serving=serving)
        self._metrics.releases_refused.inc()
        # The log has the full reason: it names folders of this machine.
        self.refused = f"{name} could not be loaded ({type(error).__name__})"
        self._failed_name, self._backoff, self._skipped = name, min(MAX_BACKOFF, self._backoff * 2 or 1), 0

    def _clear_failure(self) -> None:
        self.refused = self._failed_name = None
        self._backoff = self._skipped = 0

    def _mark_unreachable(self, error: Exception) -> None:
        if self.unreachable_since is None:
            self.unreachable_since = times.format_seconds(self._now())
            log.error("ledger.unreachable", why=_describe(error))
        self._metrics.ledger_reachable.set(0)


def _describe(error: Exception) -> str:
    # Other errors may contain an address with a password.
    return str(error) if isinstance(error, TonewatchError) else type(error).__name__
