"""What is old enough to be removed from the journal, by a clock that is not believed at once.

A clock that jumps ahead would make the whole journal old. So a jump is doubted: time that nobody was seen to live through does
not count until the journal has been alive on some days after it. Alive is a day with an answer or with a pass of the retention.
"""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.io.journal.segments import OPEN, list_files, lock_if_unheld

SILENT_DAYS = 3  # without a sign of life are a long weekend; more may be a clock that jumped
BELIEVED_DAYS = 7  # alive after a jump, and it was none: somebody would have set the clock by then
SIGN_DAYS = 30  # that passes are kept beyond the answers: an answer dated long ago must not make the time since doubtful
HOUR = len("2026-11-25T08")
GONE = ".gone-"


@dataclass(frozen=True)
class RetentionReport:
    """Say which hours are gone, how many are kept, and why some are kept although they look old or wrong."""

    removed: tuple[str, ...]
    kept: int
    reasons: tuple[str, ...]


def list_hours(answers: Path) -> list[str]:
    """Give the hours that have a folder, the oldest first."""
    return [path.name for path in list_files(answers) if is_hour(path.name)]


def is_hour(name: str) -> bool:
    """Say whether a name is that of an hour, as 2026-11-25T08."""
    try:
        return datetime.strptime(name, "%Y-%m-%dT%H").isoformat()[:HOUR] == name
    except ValueError:
        return False


def believed_today(today: date, lived: Collection[date]) -> date:
    """Give the last day that surely came: today, or the day before a jump of the clock that too few days of life have followed."""
    days = sorted({day for day in lived if day < today} | {today})
    last = today
    for after in range(1, min(BELIEVED_DAYS, len(days))):
        if days[-after] - days[-after - 1] > timedelta(days=SILENT_DAYS):
            last = days[-after - 1]
    return last


def apply_retention(folder: Path, *, days: int, now: datetime) -> RetentionReport:
    """Remove whole hours of answers that are older than so many days, as far as the clock is believed."""
    answers, passes, now = folder / "answers", folder / "passes", now.astimezone(UTC)
    hours = list_hours(answers)
    if not hours:
        return RetentionReport((), 0, ())
    _sign(passes, now.date())
    last = believed_today(now.date(), [*_days(hours), *_days(_names(passes))])
    moment = now if last == now.date() else datetime(last.year, last.month, last.day, tzinfo=UTC)
    oldest = _back(moment, days)
    removed = [hour for hour in hours if hour < oldest and _removed(answers / hour)]
    _forget(passes, _back(moment, days + SIGN_DAYS))
    _sweep(answers)
    kept = [hour for hour in hours if hour not in removed]
    return RetentionReport(
        tuple(removed), len(kept), _reasons(kept, oldest=oldest, now=now, last=last, days=days)
    )


def _reasons(kept: Sequence[str], *, oldest: str, now: datetime, last: date, days: int) -> tuple[str, ...]:
    reasons = []
    if last < now.date() and any(hour < _back(now, days) for hour in kept):
        reasons.append(
            f"The clock went from {last} to {now.date()} without a sign of life; it is believed after {BELIEVED_DAYS} days with one. "
            "Set it if it is wrong."
        )
    if held := sum(hour < oldest for hour in kept):
        reasons.append(f"Hours that somebody still writes to, although they are old: {held}.")
    if future := sum(hour > now.isoformat()[:HOUR] for hour in kept):
        reasons.append(f"Hours dated after now: {future}. Look at the clocks.")
    return tuple(reasons)


def _back(moment: datetime, days: int) -> str:
    try:
        return (moment - timedelta(days=days)).isoformat()[:HOUR]
    except OverflowError:  # before the first year: nothing is as old
        return ""


def _removed(hour: Path) -> bool:
    for path in list_files(hour, OPEN):
        with lock_if_unheld(path) as free:
            if not free and path.exists():
                return False
    # Renamed first: an hour is there wholly or not at all, and of two passes at once one does it.
    try:
        aside = hour.rename(hour.with_name(f"{GONE}{hour.name}"))
    except OSError:
        return not hour.exists()
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _sweep(answers: Path) -> None:
    for aside in answers.glob(f"{GONE}*"):
        shutil.rmtree(aside, ignore_errors=True)


def _sign(passes: Path, today: date) -> None:
    passes.mkdir(parents=True, exist_ok=True, mode=0o700)
    (passes / today.isoformat()).touch()


def _forget(passes: Path, oldest: str) -> None:
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
