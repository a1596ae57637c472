"""Which alerts are raised: one about the same thing within the quiet period, or a drift that lasts would tell of itself every hour."""

from collections.abc import Sequence

from pipeline.base.records import Alert
from pipeline.base.times import hours_before, to_micros


def filter_quiet(
    candidates: Sequence[Alert], past: Sequence[Alert], *, now: str, quiet_hours: float
) -> list[Alert]:
    """Give the candidates that have to be told, in their order; of those with one key the first, if none was told lately.

    An alert keeps its key quiet for so many hours from its time on. One that is dated after `now` (a clock was wrong) keeps nothing
    quiet: its key would be silent until that day comes. So the thing may be told twice, but never not at all.
    """
    since, until = to_micros(hours_before(now, hours=quiet_hours)), to_micros(now)
    quiet = {alert.key for alert in past if since < to_micros(alert.time) <= until}
    found: dict[str, Alert] = {}
    for alert in candidates:
        if alert.key not in quiet:
            found.setdefault(alert.key, alert)
    return list(found.values())
