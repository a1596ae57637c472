"""The champion as the service holds it: looked at again and again, replaced beside the old one when it moves."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from pipeline.base import logs
from pipeline.base.errors import TonewatchError, Unreachable
from pipeline.inference.champion import ChampionSource, LoadedRelease
from pipeline.serve.runtime.metrics import ServiceMetrics

log = logs.get("serve")
MOST_PAUSE = 64  # looks; a champion that cannot be opened is tried again ever more seldom, since each try reads all of it


class ChampionHolder:
    """Hold the release that answers; a new one is opened and warmed while the old one goes on answering.

    While the ledger cannot be asked, or a new champion cannot be opened, the last one that was verified stays.
    """

    def __init__(
        self, in_service: ChampionSource, meters: ServiceMetrics, now: Callable[[], datetime]
    ) -> None:
        self._in_service = in_service
        self._meters = meters
        self._now = now
        self._serving: LoadedRelease | None = None
        self.unreachable_since: str | None = None
        self.refused: str | None = None
        self._refused_name: str | None = None
        self._pause = self._skipped = 0

    @property
    def ready(self) -> bool:
        """Say whether there is a release that can answer."""
        return self._serving is not None

    def serving(self) -> LoadedRelease:
        """Give the release that answers now; raises Unreachable when there is none yet."""
        if self._serving is None:
            raise Unreachable(
                "No release is ready to answer yet. Make one with `tonewatch run`; the service takes it up by itself."
            )
        return self._serving

    def look(self) -> None:
        """Ask the ledger who is champion, and take a new one up."""
        try:
            name = self._in_service.current()
        except Exception as error:  # whatever is wrong with the ledger, the service goes on
            self._unreachable(error)
            return
        if name is None and self._serving:
            self._unreachable(
                Unreachable("The ledger no longer knows of any release. Restore it from a backup.")
            )
            return
        self.unreachable_since = None
        self._meters.ledger.set(1)
        if name is None or (self._serving and name == self._serving.name):
            self._forgive()
        elif not self._pausing(name):
            try:
                self._take_up(self._in_service.open(name))
            except Exception as error:
                self._refuse(name, error)

    async def follow(self, seconds: float) -> None:
        """Look every so many seconds, beside the answering, until it is cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(seconds)

    def _take_up(self, new: LoadedRelease) -> None:
        old, self._serving = self._serving, new
        self._forgive()
        if old:
            self._meters.serving.remove(old.name, old.data_version)
            self._meters.reloads.inc()
        self._meters.serving.labels(new.name, new.data_version).set(1)
        log.info(
            "in service", release=new.name, data_version=new.data_version, before=old.name if old else None
        )

    def _pausing(self, name: str) -> bool:
        self._skipped += 1
        return name == self._refused_name and self._skipped < self._pause

    def _refuse(self, name: str, error: Exception) -> None:
        if name != self._refused_name:
            self._pause = 0
            log.error(
                "refused", release=name, why=_why(error), still=self._serving.name if self._serving else None
            )
        self._meters.refused.inc()
        # Why in full stands in the log: it names folders of this machine.
        self.refused = f"{name} could not be opened ({type(error).__name__})"
        self._refused_name, self._pause, self._skipped = name, min(MOST_PAUSE, self._pause * 2 or 1), 0

    def _forgive(self) -> None:
        self.refused = self._refused_name = None
        self._pause = self._skipped = 0

    def _unreachable(self, error: Exception) -> None:
        if self.unreachable_since is None:
            self.unreachable_since = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
            log.error("ledger unreachable", why=_why(error))
        self._meters.ledger.set(0)


def _why(error: Exception) -> str:
    # Only our own errors are known to hold no address with a password.
    return str(error) if isinstance(error, TonewatchError) else type(error).__name__
