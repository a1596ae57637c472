"""Alerts: an outbox that stores each once, and their delivery to every sink that has not accepted them.

    000007.json            one alert, numbered in the order of raising; these files are the file sink
    sinks/json-3f2a91.json the alerts a sink accepted, and when it is retried after a failure

A delivery is recorded after the sink has accepted it: killed in between, the alert is sent once more, never
lost. A sink is named by its kind and a digest of its address, since addresses hold passwords.
"""

import contextlib
import dataclasses
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.base import logs
from pipeline.base.digests import text_digest
from pipeline.base.records import Alert
from pipeline.io import files

log = logs.get("notify")
ALERT_FILE = re.compile(r"\d{6,}\.json")
FIRST_RETRY_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 3600.0
# For one sink in one call; its thread goes on by itself after that.
PATIENCE_SECONDS = 60.0
# One alert that a sink cannot accept must not stop the next; two in a row mean that the sink is down.
MAX_FAILURES_IN_A_ROW = 2
# A sink just added is not flooded with old alerts.
NEWEST_FOR_A_NEW_SINK = 20


@dataclasses.dataclass(frozen=True)
class OutboxEntry:
    """Hold one alert, its number, and the names of the sinks that accepted it and that have not."""

    sequence: int
    alert: Alert
    delivered: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class DeliveryReport:
    """Count the deliveries made and those still waiting, over all sinks, and name the sinks that are down."""

    delivered: int
    waiting: int
    down: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _SinkState:
    """Hold which alerts a sink accepted (None for a new sink), its failures, and when it is tried again."""

    delivered: tuple[int, ...] | None = None
    failures: int = 0
    not_before: float = 0.0

    @classmethod
    def read(cls, path: Path) -> "_SinkState":
        try:
            fields = files.read_json(path)
            # Earlier versions wrote `told` and `failed`.
            delivered = fields.get("delivered", fields.get("told"))
            failures = int(fields.get("failures", fields.get("failed", 0)))
            not_before = float(fields.get("not_before", 0.0))
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()
        return cls(None if delivered is None else tuple(delivered), failures, not_before)


def add_alerts(folder: Path, alerts: Sequence[Alert]) -> list[Alert]:
    """Store alerts in the outbox, each once by its key and time; return those that were not stored yet."""
    if not alerts:
        return []
    with _file_lock(folder / "outbox.lock"):
        stored = {(alert.key, alert.time) for alert in _read_alerts(folder).values()}
        # A file that cannot be read keeps its number too.
        number = max((int(path.stem) for path in _alert_files(folder)), default=0)
        added = []
        for alert in alerts:
            if (alert.key, alert.time) not in stored:
                stored.add((alert.key, alert.time))
                number += 1
                files.write_json(folder / f"{number:06d}.json", dataclasses.asdict(alert))
                log.info("alert.raised", number=number, key=alert.key, kind=alert.kind)
                added.append(alert)
        return added


def list_outbox(folder: Path) -> list[OutboxEntry]:
    """Return every alert in the order of raising, with the sinks that accepted it and that have not."""
    sinks = {
        path.stem: set(_SinkState.read(path).delivered or ()) for path in (folder / "sinks").glob("*.json")
    }
    return [
        OutboxEntry(
            number,
            alert,
            delivered=tuple(name for name in sorted(sinks) if number in sinks[name]),
            waiting=tuple(name for name in sorted(sinks) if number not in sinks[name]),
        )
        for number, alert in _read_alerts(folder).items()
    ]


def deliver_alerts(folder: Path, urls: Sequence[str]) -> DeliveryReport:
    """Send each sink the alerts that it has not accepted yet.

    A sink that is down delays no other and is retried by later calls at growing intervals. Concurrent calls
    share the sinks between them. Raises nothing that a sink causes.
    """
    alerts = _read_alerts(folder)
    if not alerts or not urls:
        return DeliveryReport(0, 0, ())
    sinks = [_Sink(folder, url, alerts) for url in dict.fromkeys(urls)]
    threads = [
        threading.Thread(target=sink.deliver, daemon=True, name=f"deliver to {sink.name}")
        for sink in sinks
        if sink.is_due()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    waiting = {sink.name: len(sink.waiting()) for sink in sinks}
    return DeliveryReport(
        delivered=sum(sink.deliveries for sink in sinks),
        waiting=sum(waiting.values()),
        down=tuple(name for name, number in waiting.items() if number),
    )


class _Sink:
    """Send alerts to one sink in their order, and record which it accepted."""

    def __init__(self, folder: Path, url: str, alerts: dict[int, Alert]) -> None:
        scheme = url.partition(":")[0]
        kind = scheme if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "sink"
        self.name = f"{kind}-{text_digest(url)[:12]}"
        self.deliveries = 0
        self._url = url
        self._alerts = alerts
        self._path = folder / "sinks" / f"{self.name}.json"

    def waiting(self) -> list[int]:
        """Return the numbers of the alerts that the sink has not accepted."""
        delivered = _SinkState.read(self._path).delivered
        past = sorted(self._alerts)[:-NEWEST_FOR_A_NEW_SINK] if delivered is None else delivered
        return [number for number in self._alerts if number not in set(past)]

    def is_due(self) -> bool:
        """Return whether an alert waits and the retry interval has passed, whatever became of the clock."""
        wait = _SinkState.read(self._path).not_before - time.time()
        return bool(self.waiting()) and not 0 < wait <= LONGEST_RETRY_SECONDS

    def deliver(self) -> None:
        """Send the waiting alerts, unless another process does."""
        with contextlib.suppress(TimeoutError), _file_lock(self._path.with_suffix(".lock"), wait=False):
            state = _SinkState.read(self._path)
            waiting = self.waiting()
            delivered = {*(state.delivered or ()), *(set(self._alerts) - set(waiting))}
            failures, in_a_row = state.failures, 0
            for number in waiting:
                if _send(self._url, self._alerts[number]):
                    delivered.add(number)
                    self.deliveries += 1
                    failures = in_a_row = 0
                else:
                    failures, in_a_row = failures + 1, in_a_row + 1
                pause = _retry_seconds(failures)
                not_before = time.time() + pause if pause else 0.0
                state = _SinkState(tuple(sorted(delivered)), failures, not_before)
                files.write_json(self._path, dataclasses.asdict(state))
                if in_a_row == MAX_FAILURES_IN_A_ROW:
                    log.warning("sink.down", sink=self.name, retry_seconds=round(pause))
                    return


def _retry_seconds(failures: int) -> float:
    if not failures:
        return 0.0
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 20), LONGEST_RETRY_SECONDS)


def _send(url: str, alert: Alert) -> bool:
    """Send one alert through apprise, and return whether the sink accepted it; log no address."""
    import apprise

    # Its messages repeat addresses and responses of the sink.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(
        app_id="Tonewatch", app_desc="Tonewatch", app_url="", async_mode=False, secure_logging=True
    )
    kind = apprise.NotifyType.FAILURE if alert.requests_retrain else apprise.NotifyType.WARNING
    try:
        service = apprise.Apprise.instantiate(url, asset=asset)
        body = f"{alert.message}\n{alert.link}".strip()
        return bool(service and service.notify(body=body, title=alert.title, notify_type=kind))
    except Exception as error:  # the fault of one plugin must not stop the other sinks
        log.warning("sink.failed", error=type(error).__name__)
        return False


def _read_alerts(folder: Path) -> dict[int, Alert]:
    alerts = {}
    for path in _alert_files(folder):
        try:
            fields = files.read_json(path)
            if "hard" in fields:  # as earlier versions wrote it
                fields["requests_retrain"] = fields.pop("hard")
            alerts[int(path.stem)] = Alert(**fields)
        except (OSError, ValueError, TypeError):
            log.error("alert.unreadable", file=path.name)
    return alerts


def _alert_files(folder: Path) -> list[Path]:
    numbered = (path for path in folder.glob("*.json") if ALERT_FILE.fullmatch(path.name))
    return sorted(numbered, key=lambda path: int(path.stem))


@contextlib.contextmanager
def _file_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock that the system frees when its holder dies; raise TimeoutError instead of waiting."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path).acquire(timeout=-1 if wait else 0):
        yield
