"""Times as tables write them, read into UTC; a column decides together whether the day comes first."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

MONTHS = {
    name[:length]: number
    for number, name in enumerate(
        ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december"), start=1,
    )
    for length in {3, 4, len(name)}
}  # fmt: skip
# RFC 2822, section 4.3; any other name of a zone is not read.
ZONE_HOURS = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6,
    "pst": -8, "pdt": -7,
}  # fmt: skip
# Digits since 1970: seconds, milliseconds, microseconds, nanoseconds, by how many there are.
EPOCH_DIGITS = {9: 1, 10: 1, 12: 1_000, 13: 1_000, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
CLOCK = (
    r"(?:[ T,]+(?:at )?(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d{1,9})?)?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?)?"
)
ZONE = r"(?: ?(?P<zone>[+-]\d{2}:?\d{2}|[a-z]{1,3})(?: ?\([^)]{1,20}\))?)?"
DAY_NAME = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? )?"
# Thirteenth of September 2026, with the month in digits or as a word.
NUMBERS = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<sign>[/.-])(?P<b>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}|\d{{2}}){CLOCK}{ZONE}", re.I
)
YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})[/.-](?P<month>\d{{1,2}})[/.-](?P<day>\d{{1,2}}){CLOCK}{ZONE}", re.I
)
DAY_MONTH = re.compile(
    rf"{DAY_NAME}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[ -](?P<name>[a-z]{{3,9}})\.?,?[ -](?P<year>\d{{4}})"
    rf"{CLOCK}{ZONE}",
    re.I,
)
MONTH_DAY = re.compile(
    rf"{DAY_NAME}(?P<name>[a-z]{{3,9}})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})"
    rf"{CLOCK}{ZONE}",
    re.I,
)
# As the standard library and Twitter's API write it: the clock before the year.
CLOCK_FIRST = re.compile(
    r"(?:[a-z]{3} )?(?P<name>[a-z]{3}) {1,2}(?P<day>\d{1,2})"
    r" (?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})"
    r"(?: (?P<zone>[+-]\d{2}:?\d{2}|[a-z]{1,3}))? (?P<year>\d{4})(?P<half>)?",
    re.I,
)
LONGEST = 64  # characters
# As times are stored; a day from the 29th on is not in every month, and goes the long way.
UTC_SECOND = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}Z"
)
EXAMPLES = 3


@dataclass
class TimeTally:
    """Count how the times of a column were read.

    `forms` counts those read by their form, `without_zone` those for which `zone` was assumed. `day_first` is
    how dates such as 03/04/2026 were read, None where there are none; `ambiguous` counts those that the
    column did not decide. `unreadable` counts what is no time, with examples.
    """

    zone: str
    forms: Counter[str] = field(default_factory=Counter)
    without_zone: int = 0
    day_first: bool | None = None
    ambiguous: int = 0
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[str]:
        """Say what was assumed and what was not read."""
        if self.without_zone:
            yield f"{self.without_zone:,} times name no zone and are read as {self.zone} (`time_zone`)"
        if self.ambiguous:
            order = "day/month" if self.day_first else "month/day"
            either = f"{self.ambiguous:,} dates may be day/month or month/day"
            yield f"{either} and are read as {order} (`day_first`)"
        if self.unreadable:
            shown = ", ".join(map(repr, self.examples))
            yield f"{self.unreadable:,} times are not read and stay empty, such as {shown}"


def read_times(values: Sequence[str], *, zone: str, day_first: bool | None) -> tuple[list[str], TimeTally]:
    """Read each value as UTC to the second, as 2026-09-13T08:00:00Z; what is no time becomes empty.

    Times without a zone are read in `zone`. Where `day_first` is None, a number above 12 anywhere in the
    column decides; where none does, the day comes first.
    """
    column = TimeColumn(zone=zone, day_first=day_first)
    times = [column.read(value) for value in values]
    tally = column.close()
    return [other if other and not tally.day_first else time for time, other in times], tally


class TimeColumn:
    """Read the times of a column one by one, as `read_times` does; what decides may come after them."""

    def __init__(self, *, zone: str, day_first: bool | None) -> None:
        self._tally, self._zone, self._given = TimeTally(zone), ZoneInfo(zone), day_first
        self._above = [False, False]  # 12: of the first number of a date, of the second one
        self._has_numbers = False
        self._other: datetime | None = None

    @property
    def may_turn(self) -> bool:
        """Return whether the column may still turn out to have the month first."""
        return self._given is None and not self._above[0]

    def read(self, value: str) -> tuple[str, str]:
        """Return a time with the day first, and the same with the month first where it may be either."""
        text = value.strip()
        if not text or text.lower() in ("nan", "nat", "null", "none"):
            return "", ""
        if "/" in value or "-" in value[:3]:
            self._note_numbers(text)
        self._other = None
        if UTC_SECOND.fullmatch(text):
            self._tally.forms[FORMS[0][0]] += 1
            return text, ""
        for form, parse in FORMS:
            try:
                time = parse(self, text)
            except (ValueError, OverflowError):
                continue
            if time is not None:
                self._tally.forms[form] += 1
                other = "" if self._other is None else self._in_utc(self._other)
                counted = self._counted(time)
                return (other, "") if other and self._given is False else (counted, other)
        self._note_unreadable(text)
        return "", ""

    def close(self) -> TimeTally:
        """Return how the column was read."""
        known = self._given
        if known is None and self._above[0] != self._above[1]:
            known = self._above[0]
        if self._has_numbers:
            self._tally.day_first = known is not False
        if known is not None:
            self._tally.ambiguous = 0
        return self._tally

    def _note_numbers(self, text: str) -> None:
        """Note what the first two numbers of a date say of the order; dots mean day.month."""
        match = NUMBERS.match(text)
        if match and match["sign"] != ".":
            self._has_numbers = True
            self._above[0] |= int(match["a"]) > 12
            self._above[1] |= int(match["b"]) > 12

    def _note_unreadable(self, text: str) -> None:
        self._tally.unreadable += 1
        if len(self._tally.examples) < EXAMPLES:
            self._tally.examples.append(text[:40])

    def _counted(self, time: datetime) -> str:
        self._tally.without_zone += time.tzinfo is None
        text = self._in_utc(time)
        self._tally.unreadable += not text
        return text

    def _in_utc(self, time: datetime) -> str:
        try:
            time = (time.replace(tzinfo=self._zone) if time.tzinfo is None else time).astimezone(UTC)
        except OverflowError:  # of the year 1 or 9999
            return ""
        return f"{time.replace(tzinfo=None, microsecond=0).isoformat()}Z"

    def _iso(self, text: str) -> datetime | None:
        # Digits alone are seconds, but for a date such as 20260913.
        if text[:4].isdigit() and (text[4:5] == "-" or (text[8:9] == "T" and text[:8].isdigit())):
            return datetime.fromisoformat(text)
        return None

    def _epoch(self, text: str) -> datetime | None:
        whole, _, part = text.partition(".")
        if not (whole.isascii() and whole.isdigit() and (not part or part.isdigit())):
            return None
        if len(whole) == 8 and not part:
            return datetime(int(whole[:4]), int(whole[4:6]), int(whole[6:]))
        unit = EPOCH_DIGITS.get(len(whole))
        return datetime.fromtimestamp(int(whole) // unit, UTC) if unit else None

    def _words(self, text: str) -> datetime | None:
        if len(text) > LONGEST:
            return None
        for pattern in (DAY_MONTH, CLOCK_FIRST, MONTH_DAY):
            if match := pattern.fullmatch(text):
                month = MONTHS.get(match["name"].lower())
                return _time(match, int(match["year"]), month, int(match["day"])) if month else None
        return None

    def _numbers(self, text: str) -> datetime | None:
        if len(text) > LONGEST:
            return None
        if match := YEAR_FIRST.fullmatch(text):
            return _time(match, int(match["year"]), int(match["month"]), int(match["day"]))
        if not (match := NUMBERS.fullmatch(text)):
            return None
        a, b, year = int(match["a"]), int(match["b"]), int(match["year"])
        if len(match["year"]) == 2:
            year += 2000 if year < 69 else 1900  # as POSIX
        if match["sign"] == "." or a > 12 or b > 12:
            day, month = (b, a) if b > 12 and match["sign"] != "." else (a, b)
        else:
            day, month = a, b
            self._tally.ambiguous += a != b
            self._other = _time(match, year, a, b)
        return _time(match, year, month, day)


def _time(match: "re.Match[str]", year: int, month: int, day: int) -> datetime:
    hour = int(match["hour"] or 0)
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("a clock of twelve hours")
        hour = hour % 12 + (12 if match["half"].lower() == "p" else 0)
    zone = _zone(match["zone"].lower()) if match["zone"] else None
    return datetime(year, month, day, hour, int(match["minute"] or 0), int(match["second"] or 0), tzinfo=zone)


def _zone(written: str) -> tzinfo:
    if written[0] in "+-":
        minutes = int(written[1:3]) * 60 + int(written[-2:])
        return timezone(timedelta(minutes=-minutes if written[0] == "-" else minutes))
    if written not in ZONE_HOURS:
        raise ValueError("an unknown zone")
    return timezone(timedelta(hours=ZONE_HOURS[written]))


# The commonest first; what one form reads no later one sees.
FORMS: tuple[tuple[str, Callable[[TimeColumn, str], datetime | None]], ...] = (
    ("ISO 8601", TimeColumn._iso),
    ("since 1970", TimeColumn._epoch),
    ("numbers", TimeColumn._numbers),
    ("words", TimeColumn._words),
)
