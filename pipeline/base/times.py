"""UTC times as text, in the two forms that are stored: to the second, and to the microsecond."""

from datetime import UTC, datetime, timedelta

SECOND = "%Y-%m-%dT%H:%M:%SZ"
MICROSECOND = "%Y-%m-%dT%H:%M:%S.%fZ"


def parse_time(text: str) -> datetime:
    """Parse a UTC time, with or without parts of a second.

    Raises ValueError for a text that is no time.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def format_seconds(time: datetime) -> str:
    """Write a time in UTC to the second, as 2026-11-25T08:00:00Z."""
    return time.astimezone(UTC).strftime(SECOND)


def format_micros(time: datetime) -> str:
    """Write a time in UTC to the microsecond, as the journal does: such times sort as text."""
    return time.astimezone(UTC).strftime(MICROSECOND)


def to_micros(text: str) -> str:
    """Write a time as the journal does, so that the two compare as text."""
    return format_micros(parse_time(text))


def hours_before(text: str, *, hours: float) -> str:
    """Return the time so many hours before another."""
    return format_seconds(parse_time(text) - timedelta(hours=hours))


def is_future(text: str, *, now: datetime) -> bool:
    """Return whether a time lies after `now`: whoever wrote it had a clock that was ahead.

    Every reader of stored times asks this one question, and sets aside what it is true for.
    """
    return parse_time(text) > now
