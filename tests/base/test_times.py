"""Times as text."""

from datetime import UTC, datetime

import pytest

from pipeline.base.times import is_future

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time", "future"),
    [
        ("2026-11-25T08:00:00Z", False),
        ("2026-11-25T08:00:00.000001Z", True),
        ("2026-11-25T07:59:59.999999Z", False),
        ("2026-11-25T10:00:00+02:00", False),
        ("2026-11-25T10:00:01+02:00", True),
        ("2027-01-04T08:00:00Z", True),
        ("2024-02-29T23:59:59Z", False),
        ("9999-12-31T23:59:59Z", True),
    ],
)
def test_a_time_is_in_the_future_from_a_microsecond_after_now(time: str, future: bool) -> None:
    assert is_future(time, now=NOW) is future
