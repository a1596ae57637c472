"""The quiet period: one alert about the same thing, or a drift that lasts would be reported every hour."""

from collections.abc import Sequence

from pipeline.base.records import Alert
from pipeline.base.times import hours_before, to_micros


def filter_quiet(
    candidates: Sequence[Alert], past: Sequence[Alert], *, now: str, quiet_hours: float
) -> list[Alert]:
    """Return the candidates to raise, in their order: the first of each key without a recent alert.

    An alert silences its key for `quiet_hours` from its time on. An alert dated after `now` (a clock was
    wrong) silences nothing, or its key would be silent until that day: an alert may be raised twice, but is
    never lost.
    """
    since, until = to_micros(hours_before(now, hours=quiet_hours)), to_micros(now)
    quiet_keys = {alert.key for alert in past if since < to_micros(alert.time) <= until}
    raised: dict[str, Alert] = {}
    for alert in candidates:
        if alert.key not in quiet_keys:
            raised.setdefault(alert.key, alert)
    return list(raised.values())
