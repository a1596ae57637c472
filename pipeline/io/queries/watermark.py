"""The watermark of a source: up to which row of a growing table it was read."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from pipeline.base.times import MICROSECOND


@dataclass
class Watermark:
    """Follow a column of times or numbers; rows whose time is after `now` are not read yet.

    `earlier` is the text of the watermark of an earlier reading; rows above it count as `newer`.
    """

    column: str
    zone: str
    now: datetime
    earlier: str = ""
    kind: str = ""
    highest: Decimal | datetime | None = None
    newer: int = 0
    future: int = 0
    latest_future: datetime | None = None
    _zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        """Open the zone of times that name none."""
        self._zone = ZoneInfo(self.zone)

    def pass_row(self, value: object) -> bool:
        """Return whether a row belongs to this window, False for one of the future.

        Raises ValueError with the reason for a value that is neither a number nor a time.
        """
        mark = self._parse(value)
        kind = "time" if isinstance(mark, datetime) else "number"
        if self.kind not in ("", kind):
            raise ValueError(f"the watermark is a {kind}, and that of the rows before a {self.kind}")
        self.kind = kind
        if isinstance(mark, datetime) and mark > self.now:
            self.future += 1
            self.latest_future = max(mark, self.latest_future or mark)
            return False
        if self.highest is None or mark > self.highest:  # type: ignore[operator]
            self.highest = mark
        self.newer += self._is_newer(mark)
        return True

    @property
    def text(self) -> str:
        """Return the highest value that was read, empty where there is none."""
        if isinstance(self.highest, datetime):
            return self.highest.strftime(MICROSECOND)
        return "" if self.highest is None else f"{self.highest}"

    @property
    def sentence(self) -> str:
        """Return what to say of rows of the future, empty where there are none."""
        if not self.future:
            return ""
        latest = self.latest_future.strftime(MICROSECOND) if self.latest_future else ""
        return (
            f"{self.future:,} rows lie in the future by `watermark: {self.column}` (up to {latest}; "
            "a clock is ahead, or a zone is missing: `time_zone`). They are read once that time has come."
        )

    def _is_newer(self, mark: Decimal | datetime) -> bool:
        if not self.earlier:
            return True
        try:
            earlier = self._parse(self.earlier if isinstance(mark, datetime) else Decimal(self.earlier))
        except (ValueError, InvalidOperation):  # it was of another column
            return True
        return bool(mark > earlier)  # type: ignore[operator]

    def _parse(self, value: object) -> Decimal | datetime:
        if value is None or value == "":
            raise ValueError("the watermark is empty")
        try:
            if isinstance(value, int | float | Decimal):
                number = Decimal(str(value))
                if number.is_finite() and not isinstance(value, bool):
                    return number
            elif isinstance(value, str | date):
                time = datetime.fromisoformat(str(value).strip())
                return (time if time.tzinfo else time.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError, InvalidOperation):
            pass
        raise ValueError("the watermark is neither a number nor a time such as 2026-09-13 08:00")
