"""Silence: no text of a topic at hours that always had some."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from pipeline.base.times import format_seconds, parse_time
from pipeline.core.change.cycles import MIN_REPEATS, CycleName, slot_of

ACTIVITY_CYCLES: tuple[CycleName, ...] = ("hour of week", "hour of day", "none")
MIN_SILENT_WINDOWS = 2
MAX_LOOK_BACK = 1000  # windows


@dataclass(frozen=True)
class Silence:
    """A silence since the window `since`; up to the window `shown_by` `usual_texts` are usual."""

    since: str
    shown_by: str
    usual_texts: float


def learn_activity(texts: Mapping[str, int], *, minutes: int) -> tuple[str, dict[str, float]]:
    """Learn which slots of a cycle always had texts, and how many on average.

    `texts` are those of each window by its start. All windows between the first and the last count, those
    without a text too, except on days with hardly any.
    """
    per_day = Counter(start[:10] for start, count in texts.items() if count)
    # A part of a day, at the beginning or by a clock that jumped, says nothing about its other hours.
    whole_days = [day for day, count in per_day.items() if count >= np.median(list(per_day.values())) / 2]
    starts = [start for day in sorted(whole_days) for start in _day(day, minutes)]
    first, last = min(texts), max(texts)
    starts = [start for start in starts if first <= start <= last]
    for cycle in ACTIVITY_CYCLES:
        slots: dict[str, list[int]] = {}
        for start in starts:
            slots.setdefault(slot_of(start, cycle), []).append(texts.get(start, 0))
        if cycle == "none" or np.median([len(values) for values in slots.values()]) >= MIN_REPEATS:
            break
    active = {
        slot: round(float(np.mean(values)), 2)
        for slot, values in slots.items()
        if len(values) >= MIN_REPEATS and min(values) > 0
    }
    return cycle, active


def find_silence(
    active: Mapping[str, float], cycle: CycleName, *, after: str, until: str, minutes: int, min_texts: int
) -> Silence | None:
    """Find the silence that lasts at `until`, where the window `after` is the last one with texts.

    It needs two windows at hours that always had texts, in which together at least `min_texts` are usual: a
    topic of a few texts a day is not missed after an hour.
    """
    step, end = timedelta(minutes=minutes), parse_time(until)
    start = parse_time(after) + step
    silent, usual, first = 0, 0.0, ""
    for _ in range(MAX_LOOK_BACK):
        if start + step > end:
            break
        name = format_seconds(start)
        if texts := active.get(slot_of(name, cycle)):
            silent, usual, first = silent + 1, usual + texts, first or name
            if silent >= MIN_SILENT_WINDOWS and usual >= min_texts:
                return Silence(first, name, usual)
        start += step
    return None


def _day(day: str, minutes: int) -> list[str]:
    midnight = parse_time(f"{day}T00:00:00Z")
    count = 24 * 60 // minutes
    return [format_seconds(midnight + timedelta(minutes=minutes * step)) for step in range(count)]
