"""Alerts: an outbox in which each stands once, and the telling of each to every sink that has not taken it yet.

    000007.json            one alert, whole, numbered in the order in which alerts were raised; these files are the file sink
    sinks/json-3f2a91.json which alerts a sink took, and when it is tried again after it failed

A sink is told an alert, then that is written down: killed between the two, the sink is told it once more, and never less.
A sink is named by its kind and a digest of its address, for addresses hold passwords.
"""

import contextlib
import dataclasses
import hashlib
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.base import logs
from pipeline.base.records import Alert
from pipeline.io import files

log = logs.get("notify")
NUMBERED = re.compile(r"\d{6,}\.json")
FIRST_RETRY_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 3600.0
PATIENCE_SECONDS = 60.0  # for one sink in one call; it goes on by itself after that
FAILURES_IN_A_ROW = (
    2  # one alert that a sink cannot take must not keep the next; two mean that the sink is down
)
NEWEST_FOR_A_NEW_SINK = 20  # a sink just added is not flooded with the past


@dataclasses.dataclass(frozen=True)
class OutboxEntry:
    """Hold one alert of the outbox: its number, and the sinks that took it and that have not yet."""

    sequence: int
    alert: Alert
    told: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DeliveryReport:
    """Hold what one delivery did: how many were told and how many still wait, both over all sinks, and which sinks are down."""

    told: int
    waiting: int
    down: tuple[str, ...]


def add_alerts(folder: Path, alerts: Sequence[Alert]) -> list[Alert]:
    """Put alerts in the outbox, each once by its key and time; gives those that were not there yet."""
    if not alerts:
        return []
    with _alone(folder / "outbox.lock"):
        known = {(alert.key, alert.time) for alert in _kept(folder).values()}
        # A file that cannot be read keeps its number too.
        number = max((int(path.stem) for path in _numbered(folder)), default=0)
        raised = []
        for alert in alerts:
            if (alert.key, alert.time) not in known:
                known.add((alert.key, alert.time))
                number += 1
                files.write_json(folder / f"{number:06d}.json", dataclasses.asdict(alert))
                log.info("alert", number=number, key=alert.key, kind=alert.kind, hard=alert.hard)
                raised.append(alert)
        return raised


def list_outbox(folder: Path) -> list[OutboxEntry]:
    """Give every alert in the order in which they were raised, and who was told."""
    sinks = {
        path.stem: set(_memory(path)["told"] or ()) for path in sorted((folder / "sinks").glob("*.json"))
    }
    return [
        OutboxEntry(
            number,
            alert,
            *(
                tuple(name for name, told in sinks.items() if (number in told) is took)
                for took in (True, False)
            ),
        )
        for number, alert in _kept(folder).items()
    ]


def deliver_alerts(folder: Path, urls: Sequence[str]) -> DeliveryReport:
    """Tell each sink what it was not told yet; one that is down keeps no other, and is tried again by a later call, ever more seldom.

    Two calls at once share the sinks between them. Raises nothing that a sink causes.
    """
    kept = _kept(folder)
    if not kept or not urls:
        return DeliveryReport(0, 0, ())
    sinks = [_Sink(folder, url, kept) for url in dict.fromkeys(urls)]
    threads = [
        threading.Thread(target=sink.tell, daemon=True, name=f"tell {sink.name}")
        for sink in sinks
        if sink.due()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    waiting = {sink.name: sink.waiting() for sink in sinks}
    return DeliveryReport(
        sum(sink.taken for sink in sinks),
        sum(map(len, waiting.values())),
        tuple(name for name, left in waiting.items() if left),
    )


class _Sink:
    """Tell one sink its alerts in their order, and remember which it took."""

    def __init__(self, folder: Path, url: str, kept: dict[int, Alert]) -> None:
        scheme = url.partition(":")[0]
        kind = scheme if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "sink"
        self.name = f"{kind}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        self.taken = 0
        self._url, self._kept = url, kept
        self._path = folder / "sinks" / f"{self.name}.json"

    def waiting(self) -> list[int]:
        """Give the numbers of the alerts it has not taken."""
        told = _memory(self._path)["told"]
        past = sorted(self._kept)[:-NEWEST_FOR_A_NEW_SINK] if told is None else told
        return [number for number in self._kept if number not in set(past)]

    def due(self) -> bool:
        """Say whether something waits and the time since it last failed has passed; a clock that was set back ends no wait later."""
        wait = _memory(self._path)["not_before"] - time.time()
        return bool(self.waiting()) and not 0 < wait <= LONGEST_RETRY_SECONDS

    def tell(self) -> None:
        """Send what waits, unless another process is at it."""
        with contextlib.suppress(TimeoutError), _alone(self._path.with_suffix(".lock"), wait=False):
            memory = _memory(self._path)
            waiting = self.waiting()
            told = {*(memory["told"] or ()), *(set(self._kept) - set(waiting))}
            failed, in_a_row = int(memory["failed"]), 0
            for number in waiting:
                if sent := _sent(self._url, self._kept[number]):
                    told.add(number)
                    self.taken += 1
                failed, in_a_row = (0, 0) if sent else (failed + 1, in_a_row + 1)
                pause = (
                    min(FIRST_RETRY_SECONDS * 2.0 ** min(failed - 1, 20), LONGEST_RETRY_SECONDS)
                    if failed
                    else 0.0
                )
                files.write_json(
                    self._path,
                    {
                        "told": sorted(told),
                        "failed": failed,
                        "not_before": time.time() + pause if pause else 0.0,
                    },
                )
                if in_a_row == FAILURES_IN_A_ROW:
                    log.warning("sink down", sink=self.name, again_in_seconds=round(pause))
                    return


def _sent(url: str, alert: Alert) -> bool:
    """Hand one alert to apprise; False for whatever kept the sink from taking it. Nothing of the address is told."""
    import apprise

    # Its messages repeat addresses and answers of the sink.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(
        app_id="Tonewatch", app_desc="Tonewatch", app_url="", async_mode=False, secure_logging=True
    )
    kind = apprise.NotifyType.FAILURE if alert.hard else apprise.NotifyType.WARNING
    try:
        service = apprise.Apprise.instantiate(url, asset=asset)
        body = f"{alert.message}\n{alert.link}".strip()
        return bool(service and service.notify(body=body, title=alert.title, notify_type=kind))
    except Exception as error:  # a plugin's fault must not keep the other sinks
        log.warning("sink failed", kind=type(error).__name__)
        return False


def _kept(folder: Path) -> dict[int, Alert]:
    found = {}
    for path in _numbered(folder):
        try:
            found[int(path.stem)] = Alert(**files.read_json(path))
        except (OSError, ValueError, TypeError):
            log.error("no alert", file=path.name)
    return found


def _numbered(folder: Path) -> list[Path]:
    return sorted(
        (path for path in folder.glob("*.json") if NUMBERED.fullmatch(path.name)),
        key=lambda path: int(path.stem),
    )


def _memory(path: Path) -> dict[str, Any]:
    memory: dict[str, Any] = {"told": None, "failed": 0, "not_before": 0.0}
    try:
        return {**memory, **files.read_json(path)}
    except (OSError, ValueError, TypeError):
        return memory


@contextlib.contextmanager
def _alone(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock that the system frees when its holder dies; raises TimeoutError where it is taken and nobody waits."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path).acquire(timeout=-1 if wait else 0):
        yield
