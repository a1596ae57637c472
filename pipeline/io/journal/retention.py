"""The retention of predictions in the journal, by a clock that is not trusted at once.

A clock that jumps ahead would make the whole journal old. So the days of a jump do not count until the
journal was active on some days after it; an active day has a prediction, had one that was removed, or has a
pass of the retention.
"""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.base.times import is_future
from pipeline.io.file_access import OWN_FILE, make_private
from pipeline.io.journal import database, legacy

# So many days without activity are a long weekend; more may be a clock that jumped.
MAX_INACTIVE_DAYS = 3
# After so many active days a jump is trusted: a wrong clock would have been set by then.
TRUSTED_AFTER_DAYS = 7
# Passes are kept so much longer than predictions: a prediction dated long ago must not look like a jump.
PASS_DAYS = 30
HOUR = len("2026-11-25T08")


@dataclass(frozen=True)
class RetentionReport:
    """Name the removed hours, count the kept ones, and say why old or future ones are kept.

    `oldest` is the first hour within the retention, empty where there is nothing to remove.
    """

    removed: tuple[str, ...]
    kept: int
    reasons: tuple[str, ...]
    oldest: str = ""


def is_hour(name: str) -> bool:
    """Return whether a name is that of an hour, as 2026-11-25T08."""
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H").isoformat()[:HOUR] == name
    except ValueError:
        return False


def trusted_today(today: date, active: Collection[date]) -> date:
    """Return the last trusted day: today, or the day before a jump that too few active days follow."""
    days = sorted({day for day in active if day < today} | {today})
    last = today
    for after in range(1, min(TRUSTED_AFTER_DAYS, len(days))):
        if days[-after] - days[-after - 1] > timedelta(days=MAX_INACTIVE_DAYS):
            last = days[-after - 1]
    return last


def apply_retention(folder: Path, hours: Sequence[str], *, days: int, now: datetime) -> RetentionReport:
    """Remove those of the hours that are older than so many days, as far as the clock is trusted."""
    passes, now = folder / "passes", now.astimezone(UTC)
    if not hours:
        return RetentionReport((), 0, ())
    _record_pass(passes, now.date())
    last = trusted_today(now.date(), [*_days(hours), *_days(_names(passes))])
    moment = now if last == now.date() else datetime(last.year, last.month, last.day, tzinfo=UTC)
    oldest = _hour_before(moment, days)
    removed = [hour for hour in hours if hour < oldest and _remove_hour(folder, hour)]
    # Where older hours are held, the days that were removed between them and now are no jump of the clock.
    for day in set(_days(removed)):
        _record_pass(passes, day)
    _remove_old_passes(passes, _hour_before(moment, days + PASS_DAYS))
    kept = [hour for hour in hours if hour not in removed]
    reasons = _reasons(kept, oldest=oldest, now=now, last=last, days=days)
    return RetentionReport(tuple(removed), len(kept), reasons, oldest)


def _reasons(kept: Sequence[str], *, oldest: str, now: datetime, last: date, days: int) -> tuple[str, ...]:
    reasons = []
    if last < now.date() and any(hour < _hour_before(now, days) for hour in kept):
        reasons.append(
            f"The clock went from {last} to {now.date()} without activity; it is trusted after "
            f"{TRUSTED_AFTER_DAYS} active days. Set it if it is wrong."
        )
    if held := sum(hour < oldest for hour in kept):
        reasons.append(f"Old hours with a living writer: {held}.")
    if future := sum(is_future(f"{hour}:00:00Z", now=now) for hour in kept):
        reasons.append(f"Hours dated in the future: {future}. Check the clocks.")
    return tuple(reasons)


def _hour_before(moment: datetime, days: int) -> str:
    try:
        return (moment - timedelta(days=days)).isoformat()[:HOUR]
    except OverflowError:  # before the year 1: nothing is as old
        return ""


def _remove_hour(folder: Path, hour: str) -> bool:
    path, earlier = database.path_of(folder, hour), folder / legacy.PREDICTIONS / hour
    for segment in legacy.list_segments(earlier):
        with legacy.lock_if_unheld(segment) as free:
            if not free and segment.exists():
                return False
    if path.exists() and not database.remove(path):
        return False
    shutil.rmtree(earlier, ignore_errors=True)
    return not earlier.exists()


def _record_pass(passes: Path, today: date) -> None:
    make_private(passes.parent, passes)
    day = passes / today.isoformat()
    if not day.exists():  # it may be of another member of the group
        day.touch(mode=OWN_FILE)


def _remove_old_passes(passes: Path, oldest: str) -> None:
    for name in _names(passes):
        if name < oldest[:10]:
            (passes / name).unlink(missing_ok=True)


def _names(passes: Path) -> list[str]:
    return sorted(path.name for path in passes.iterdir())


def _days(names: Collection[str]) -> list[date]:
    found = []
    for name in {name[:10] for name in names}:
        try:
            found.append(date.fromisoformat(name))
        except ValueError:
            continue
    return found
