"""Days gathered into weeks, months or years, so that a chart has a dozen places or a few more."""

from collections.abc import Mapping
from datetime import date, timedelta

from pipeline.base.documents.data_report import PeriodLabels

# So many days at most are shown by day, by week, by month.
BY_DAY, BY_WEEK, BY_MONTH = 31, 250, 1500


def periods_of(days: Mapping[str, Mapping[str, int]]) -> list[PeriodLabels]:
    """Return the counts of labels by period, in order, without empty ones; what is no day is left out."""
    dated: dict[date, Mapping[str, int]] = {}
    for day, counts in days.items():
        try:
            dated[date.fromisoformat(day)] = counts
        except ValueError:
            continue
    if not dated:
        return []
    span = (max(dated) - min(dated)).days
    periods: dict[date, dict[str, int]] = {}
    for moment, counts in sorted(dated.items()):
        period = periods.setdefault(_start(moment, span), {})
        for label, number in counts.items():
            period[label] = period.get(label, 0) + number
    return [
        PeriodLabels(_moment(start), _moment(_end(start, span)), counts) for start, counts in periods.items()
    ]


def _start(day: date, span: int) -> date:
    if span <= BY_DAY:
        return day
    if span <= BY_WEEK:
        return day - timedelta(days=day.weekday()) if day.toordinal() > day.weekday() else day
    return day.replace(day=1) if span <= BY_MONTH else day.replace(month=1, day=1)


def _end(start: date, span: int) -> date:
    days = 1 if span <= BY_DAY else 7
    if span > BY_WEEK:
        days = 32 if span <= BY_MONTH else 366
    try:
        end = start + timedelta(days=days)
    except OverflowError:  # the last days of the calendar
        return date.max
    return end if span <= BY_WEEK else _start(end, span)


def _moment(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
