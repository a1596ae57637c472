"""The retention of predictions in the journal, by a clock that is not trusted at once.

A clock that jumps ahead would make the whole journal old. So the days of a jump do not count until the
journal was active on some days after it; an active day has a prediction or a pass of the retention.
"""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.io.journal.segments import OPEN, list_files, lock_if_unheld

# So many days without activity are a long weekend; more may be a clock that jumped.
MAX_INACTIVE_DAYS = 3
# After so many active days a jump is trusted: a wrong clock would have been set by then.
TRUSTED_AFTER_DAYS = 7
# Passes are kept so much longer than predictions: a prediction dated long ago must not look like a jump.
PASS_DAYS = 30
HOUR = len("2026-11-25T08")
REMOVED_PREFIX = ".gone-"


@dataclass(frozen=True)
class RetentionReport:
    """Name the removed hours, count the kept ones, and say why old or future ones are kept."""

    removed: tuple[str, ...]
    kept: int
    reasons: tuple[str, ...]


def list_hours(answers: Path) -> list[str]:
    """Return the hours that have a folder, the oldest first."""
    return [path.name for path in list_files(answers) if is_hour(path.name)]


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


def apply_retention(folder: Path, *, days: int, now: datetime) -> RetentionReport:
    """Remove the hours of predictions that are older than so many days, as far as the clock is trusted."""
    answers, passes, now = folder / "answers", folder / "passes", now.astimezone(UTC)
    hours = list_hours(answers)
    if not hours:
        return RetentionReport((), 0, ())
    _record_pass(passes, now.date())
    last = trusted_today(now.date(), [*_days(hours), *_days(_names(passes))])
    moment = now if last == now.date() else datetime(last.year, last.month, last.day, tzinfo=UTC)
    oldest = _hour_before(moment, days)
    removed = [hour for hour in hours if hour < oldest and _remove_hour(answers / hour)]
    _remove_old_passes(passes, _hour_before(moment, days + PASS_DAYS))
    _remove_leftovers(answers)
    kept = [hour for hour in hours if hour not in removed]
    return RetentionReport(
        tuple(removed), len(kept), _reasons(kept, oldest=oldest, now=now, last=last, days=days)
    )


def _reasons(kept: Sequence[str], *, oldest: str, now: datetime, last: date, days: int) -> tuple[str, ...]:
    reasons = []
    if last < now.date() and any(hour < _hour_before(now, days) for hour in kept):
        reasons.append(
            f"The clock went from {last} to {now.date()} without activity; it is trusted after "
            f"{TRUSTED_AFTER_DAYS} active days. Set it if it is wrong."
        )
    if held := sum(hour < oldest for hour in kept):
        reasons.append(f"Old hours with a living writer: {held}.")
    if future := sum(hour > now.isoformat()[:HOUR] for hour in kept):
        reasons.append(f"Hours dated in the future: {future}. Check the clocks.")
    return tuple(reasons)


def _hour_before(moment: datetime, days: int) -> str:
    try:
        return (moment - timedelta(days=days)).isoformat()[:HOUR]
    except OverflowError:  # before the year 1: nothing is as old
        return ""


def _remove_hour(hour: Path) -> bool:
    for path in list_files(hour, OPEN):
        with lock_if_unheld(path) as free:
            if not free and path.exists():
                return False
    # Renamed first: an hour exists completely or not at all, and one of two concurrent passes removes it.
    try:
        removed = hour.rename(hour.with_name(f"{REMOVED_PREFIX}{hour.name}"))
    except OSError:
        return not hour.exists()
    shutil.rmtree(removed, ignore_errors=True)
    return True


def _remove_leftovers(answers: Path) -> None:
    for removed in answers.glob(f"{REMOVED_PREFIX}*"):
        shutil.rmtree(removed, ignore_errors=True)


def _record_pass(passes: Path, today: date) -> None:
    passes.mkdir(parents=True, exist_ok=True, mode=0o700)
    (passes / today.isoformat()).touch()


def _remove_old_passes(passes: Path, oldest: str) -> None:
    for name in _names(passes):
        if name < oldest[:10]:
            (passes / name).unlink(missing_ok=True)


def _names(passes: Path) -> list[str]:
    return [path.name for path in list_files(passes)]


def _days(names: Collection[str]) -> list[date]:
    found = []
    for name in {name[:10] for name in names}:
        try:
            found.append(date.fromisoformat(name))
        except ValueError:
            continue
    return found
