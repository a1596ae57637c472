"""Alerts on their way out: an outbox of whole files, each sent to every sink once, and kept until each has taken it.

The outbox itself is the first sink: `.tonewatch/alerts/` tells everything that was ever raised. Others are addresses of apprise
(mail, webhook, Slack and a hundred more). A sink that took an alert is noted right after; a process killed between the two sends
it once more, which is better than not at all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import logs
from pipeline.schema import Alert
from pipeline.storage import files, locks

log = logs.get("notify")
SHOWN = 12  # characters of an address's digest, by which a sink is known without its password


@dataclass(frozen=True)
class Entry:
    """Hold an alert of the outbox: its number, which sinks have taken it, and how often it could not be sent."""

    number: int
    alert: Alert
    taken: tuple[str, ...]
    tries: int


@dataclass(frozen=True)
class Delivered:
    """Say how many alerts were sent now, and how many still wait for a sink."""

    sent: int
    waiting: int


def raise_alerts(folder: Path, alerts: Sequence[Alert]) -> None:
    """Put alerts into the outbox, each whole and in their order; one that is there already is not put twice."""
    if not alerts:
        return
    with locks.alone(folder):
        known = listing(folder)
        named = {(entry.alert.key, entry.alert.time) for entry in known}
        number = max((entry.number for entry in known), default=0)
        for alert in alerts:
            if (alert.key, alert.time) not in named:
                number += 1
                named.add((alert.key, alert.time))
                _write(folder, Entry(number, alert, (), 0))
                log.info("alert", number=number, kind=alert.kind, topic=alert.topic)


def listing(folder: Path) -> list[Entry]:
    """Give everything in the outbox, the oldest first."""
    return [_read(path) for path in sorted(folder.glob("A*.json"))]


def deliver(folder: Path, addresses: Sequence[str]) -> Delivered:
    """Send every alert to each sink that has not taken it; one that is down keeps no other from it, and is tried again next time."""
    if not addresses or not folder.is_dir():
        return Delivered(0, 0)
    sent = waiting = 0
    with locks.alone(folder):
        for entry in listing(folder):
            for address in addresses:
                if (sink := _sink(address)) in entry.taken:
                    continue
                if _sent(address, entry.alert):
                    entry = Entry(entry.number, entry.alert, (*entry.taken, sink), entry.tries)
                    sent += 1
                else:
                    entry = Entry(entry.number, entry.alert, entry.taken, entry.tries + 1)
                    waiting += 1
                _write(folder, entry)
    if waiting:
        log.error("not delivered", alerts=waiting)
    return Delivered(sent, waiting)


def _sent(address: str, alert: Alert) -> bool:
    import apprise

    sender = apprise.Apprise()
    if not sender.add(address):
        log.error("no such sink", sink=_sink(address))
        return False
    body = f"{alert.message}\n{alert.link}".strip()
    kind = apprise.NotifyType.WARNING if alert.hard else apprise.NotifyType.INFO
    try:
        return bool(sender.notify(body=body, title=f"Tonewatch: {alert.title}", notify_type=kind))
    except Exception as error:  # of whatever library speaks to that sink
        log.error("sink failed", sink=_sink(address), why=type(error).__name__)
        return False


def _sink(address: str) -> str:
    """Know a sink again without keeping its address, which may hold a password."""
    return f"{address.partition(':')[0]}-{hashlib.sha256(address.encode()).hexdigest()[:SHOWN]}"


def _write(folder: Path, entry: Entry) -> None:
    content: dict[str, Any] = {"alert": asdict(entry.alert), "taken": list(entry.taken), "tries": entry.tries}
    files.write_json(folder / f"A{entry.number:06d}.json", content)


def _read(path: Path) -> Entry:
    content = files.read_json(path)
    return Entry(int(path.stem[1:]), Alert(**content["alert"]), tuple(content["taken"]), int(content["tries"]))
