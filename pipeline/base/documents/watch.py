"""What one pass of the watch did."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict


class WatchSummary(TypedDict):
    """What one pass of the watch did, up to the UTC time `now`.

    `windows` are the names of the new windows, `future` counts predictions dated after `now`, `set_aside`
    names reported windows that end after it, `too_late` counts texts that were written in windows that were
    closed when they came, `alerts` are the titles of the raised alerts, `undelivered` counts alerts that a
    sink has not accepted, `rollback` is the automatic rollback, `labels` counts new true labels, `drawn` the
    predictions drawn to be labelled, `retrain` is why to retrain, and `left_out` why no window was evaluated.
    """

    now: str
    windows: list[str]
    future: int
    set_aside: list[str]
    too_late: int
    alerts: list[str]
    undelivered: int
    rollback: Mapping[str, object] | None
    labels: int
    drawn: int
    retrain: str | None
    left_out: NotRequired[str]
