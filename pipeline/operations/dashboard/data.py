"""The data of the dashboard: a store that is broken or slow costs its own card only."""

import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypedDict, TypeVar

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import ChangeAlarm, DataVersionRecord, WindowReport
from pipeline.base.errors import TonewatchError
from pipeline.base.times import format_seconds
from pipeline.operations.dashboard import charts, quality
from pipeline.operations.dashboard.charts import PrevalenceChart
from pipeline.operations.dashboard.headline import Headline, headline
from pipeline.operations.dashboard.lookups import LOOKUPS, AlertEntry, ChampionHistory, RunEntry
from pipeline.operations.dashboard.quality import DriftChart, QualityChart

LOOKUP_TIMEOUT_SECONDS = 4.0
FRESH_SECONDS = 1.0  # a lookup this young is not repeated
T = TypeVar("T")


@dataclass(frozen=True)
class Card(Generic[T]):
    """The data of one card of the page, or why there are none."""

    value: T | None = None
    fault: str | None = None


class DashboardPage(TypedDict):
    """The cards of the page of one topic; `known` is False where the requested topic has no texts."""

    params: Card[Params]
    champion: Card[ChampionHistory]
    versions: Card[list[DataVersionRecord]]
    alerts: Card[list[AlertEntry]]
    runs: Card[list[RunEntry]]
    windows_fault: str | None
    prevalence: Card[PrevalenceChart]
    headline: Card[Headline]
    drift: Card[DriftChart]
    quality: Card[QualityChart]
    topics: list[str]
    topic: str
    known: bool
    links: dict[str, str]
    now: str


class DashboardData:
    """Look up a workspace for any number of readers; each lookup runs in one thread, once at a time."""

    def __init__(self, workspace: Workspace, *, prefect: str | None = None) -> None:
        self._workspace = workspace
        self._prefect = prefect
        self._lookups = {
            name: CachedLookup(functools.partial(lookup, workspace)) for name, lookup in LOOKUPS.items()
        }

    def cards(self) -> dict[str, Card[Any]]:
        """Run all lookups at once and wait for them, at most LOOKUP_TIMEOUT_SECONDS in all."""
        futures = {name: lookup.start() for name, lookup in self._lookups.items()}
        deadline = time.monotonic() + LOOKUP_TIMEOUT_SECONDS
        return {
            name: _await_card(name, future, deadline - time.monotonic()) for name, future in futures.items()
        }

    def page(self, cards: Mapping[str, Card[Any]], topic: str | None) -> DashboardPage:
        """Draw the charts of a topic, by default of all texts; a card that fails says why."""
        windows, change_points = cards["windows"].value or [], cards["change_points"].value or {}
        topics, alarms = charts.list_topics(windows), _alarms(cards["changes"])
        shown = topic if topic in topics else charts.ALL
        return {
            "params": cards["params"],
            "champion": cards["champion"],
            "versions": cards["versions"],
            "alerts": cards["alerts"],
            "runs": cards["runs"],
            "windows_fault": cards["windows"].fault,
            "prevalence": _chart(
                cards["windows"],
                lambda: charts.prevalence_chart(windows, change_points, shown),
            ),
            "headline": _headline(cards["changes"], windows, shown),
            "drift": _chart(cards["windows"], lambda: quality.drift_chart(windows, shown, alarms)),
            "quality": _chart(cards["windows"], lambda: quality.quality_chart(windows, shown)),
            "topics": topics,
            "topic": shown,
            "known": topic is None or topic in topics,
            "links": links(self._workspace, self._prefect),
            "now": format_seconds(datetime.now(UTC)),
        }


class CachedLookup(Generic[T]):
    """Run a lookup in a thread of its own, once at a time; all callers meanwhile share its result."""

    def __init__(self, lookup: Callable[[], T]) -> None:
        self._lookup = lookup
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dashboard")
        self._lock = threading.Lock()
        self._last: Future[T] | None = None
        self._ended = 0.0

    def start(self) -> "Future[T]":
        """Return the lookup that is running or has just ended, else a new one."""
        with self._lock:
            # All readers wait for one that hangs: a store that is down costs one thread.
            if self._last is None or (self._last.done() and time.monotonic() - self._ended > FRESH_SECONDS):
                self._last = self._pool.submit(self._run)
            return self._last

    def _run(self) -> T:
        try:
            return self._lookup()
        finally:
            self._ended = time.monotonic()


def links(workspace: Workspace, prefect: str | None) -> dict[str, str]:
    """Return the addresses of MLflow and Prefect where they are servers; none with a password."""
    addresses = {
        "MLflow": workspace.mlflow,
        "Prefect": (prefect or "").removesuffix("/").removesuffix("/api"),
    }
    return {
        name: address
        for name, address in addresses.items()
        if address.startswith(("http://", "https://")) and "@" not in address
    }


def _await_card(name: str, future: "Future[T]", seconds_left: float) -> Card[T]:
    try:
        return Card(future.result(timeout=max(0.0, seconds_left)))
    except TimeoutError:
        return Card(
            fault=f"No response within {LOOKUP_TIMEOUT_SECONDS:.0f} s. The rest of the page is complete."
        )
    except TonewatchError as error:
        return Card(fault=str(error))
    except Exception as error:  # whatever is broken, the page is still shown
        logs.get("dashboard").error("lookup.failed", card=name, reason=type(error).__name__)
        return Card(
            fault=f"The data cannot be read ({type(error).__name__}). Run `tonewatch doctor` for a diagnosis."
        )


def _alarms(changes: Card[Any]) -> list[ChangeAlarm]:
    return list(changes.value.get("alarms", ())) if isinstance(changes.value, dict) else []


def _headline(changes: Card[Any], windows: Sequence[WindowReport], topic: str) -> Card[Headline]:
    if changes.fault:
        return Card(fault=changes.fault)
    try:
        return Card(headline(changes.value, windows, topic))
    except Exception as error:  # a malformed file costs the headline and not the page
        logs.get("dashboard").error("headline.failed", reason=type(error).__name__)
        return Card(
            fault=f"The state of the topics cannot be read ({type(error).__name__}): "
            "remove .tonewatch/windows/changes.json and run `tonewatch watch`."
        )


def _chart(windows: Card[Any], draw: Callable[[], T]) -> Card[T]:
    if not windows.value:
        return Card(fault=windows.fault)
    try:
        return Card(draw())
    except Exception as error:  # a malformed window costs its charts and not the page
        logs.get("dashboard").error("chart.failed", reason=type(error).__name__)
        return Card(
            fault=f"The windows cannot be drawn ({type(error).__name__}). Run `tonewatch watch` for new ones."
        )
