"""The operational sections: serve, watch, schedule, tune. They are no part of a release."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal, cast

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section

MINUTES_A_DAY = 24 * 60
BUDGET = "false_alarms_per_quarter"
Cron = Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]


class JournalConfig(Section):
    """Set what the journal stores of a text, for how long, and whether to serve without it."""

    texts: Literal["masked", "hash"]
    retention_days: PositiveInt
    # Newer than releases that must still be readable, so it may be left out.
    required: bool = False


class DashboardConfig(Section):
    """Limit what the dashboard shows and explains, and how long a person stays signed in."""

    shown_windows: PositiveInt
    explained_words: PositiveInt
    session_minutes: PositiveInt


class ServeConfig(Section):
    """Limit what one client may request of the service, and set how requests are batched."""

    max_texts: PositiveInt
    max_characters: PositiveInt
    max_body_kilobytes: PositiveInt
    max_batch_size: PositiveInt
    max_batch_wait_ms: float = Field(ge=0)
    max_queued_texts: PositiveInt
    concurrent_requests: PositiveInt
    requests_per_minute: PositiveInt
    request_seconds: PositiveFloat
    reload_seconds: PositiveFloat
    min_replicas: PositiveInt
    max_replicas: PositiveInt
    journal: JournalConfig
    dashboard: DashboardConfig
    # Newer than releases that must still be readable, so they may be left out.
    trusted_proxies: tuple[str, ...] = ()
    max_topics: PositiveInt = 100

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError:
                raise ValueError(
                    f"{proxy!r} is no address and no network, as 127.0.0.1 or 10.0.0.0/8"
                ) from None
        return proxies

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "ServeConfig":
        if self.min_replicas > self.max_replicas:
            raise ValueError("serve.min_replicas must not exceed serve.max_replicas")
        if self.max_queued_texts < self.max_texts:
            raise ValueError("serve.max_queued_texts must hold one whole request (serve.max_texts)")
        return self


class DriftConfig(Section):
    """Set how a window is compared with the reference, and how long a topic is learnt before alarms."""

    # Newer than releases that must still be readable, so it may be left out.
    learning_weeks: PositiveFloat = 4.0
    alarm_windows: PositiveInt
    of_windows: PositiveInt
    max_texts: PositiveInt
    resamples: PositiveInt
    examples: PositiveInt

    @model_validator(mode="after")
    def _alarm_windows_fit(self) -> "DriftConfig":
        if self.alarm_windows > self.of_windows:
            raise ValueError("watch.drift.alarm_windows must not exceed watch.drift.of_windows")
        return self


class ChangePointConfig(Section):
    """Set when a change in a label's prevalence counts as a change point."""

    min_windows: PositiveInt
    min_change: Fraction


class PrevalenceConfig(Section):
    """Set by which audit labels the shares of labels are corrected, and how many of them are enough."""

    # Newer than releases that must still be readable, so they may be left out.
    label_days: PositiveFloat = 28.0
    min_labels: PositiveInt = 50
    max_unlabelled: Fraction = 0.1


class QualityConfig(Section):
    """Set how audit labels judge a release, and when it is rolled back automatically."""

    min_labels: PositiveInt
    rollback_hours: PositiveFloat
    rollback_margin: Fraction


class AuditConfig(Section):
    """Set how many predictions are drawn to be labelled by people, and how exact a share shall be."""

    per_topic_per_day: int = Field(ge=0)
    second_opinion: Fraction
    share_width: float = Field(gt=0, lt=0.5)


class WatchConfig(Section):
    """Set the windows, how each is evaluated, and how long an alert is not repeated."""

    window_minutes: PositiveInt
    min_texts: PositiveInt
    catch_up_windows: PositiveInt
    overlap_texts: PositiveInt
    resamples: PositiveInt
    confidence: float = Field(gt=0.5, lt=1)
    quiet_hours: PositiveFloat
    drift: DriftConfig
    change_points: ChangePointConfig
    quality: QualityConfig
    # Newer than releases that must still be readable, so they may be left out.
    prevalence: PrevalenceConfig = PrevalenceConfig()
    false_alarms_per_quarter: PositiveFloat = 1.0
    max_judged_topics: PositiveInt = 30
    lateness_hours: float = Field(ge=0, default=2.0)
    audit: AuditConfig = AuditConfig(per_topic_per_day=20, second_opinion=0.1, share_width=0.03)

    @model_validator(mode="before")
    @classmethod
    def _has_one_budget(cls, content: object) -> object:
        """Read params of earlier versions, which had a budget for drift and one for change points."""
        if not isinstance(content, Mapping):
            return content
        sections = {name: content.get(name) for name in ("drift", "change_points")}
        budgets = {
            name: section[BUDGET]
            for name, section in sections.items()
            if isinstance(section, Mapping) and BUDGET in section
        }
        without = {
            name: {
                key: value
                for key, value in cast(Mapping[str, object], sections[name]).items()
                if key != BUDGET
            }
            for name in budgets
        }
        total = {BUDGET: next(iter(budgets.values()))} if budgets else {}
        return {**total, **content, **without}

    @model_validator(mode="after")
    def _windows_fill_a_day(self) -> "WatchConfig":
        if MINUTES_A_DAY % self.window_minutes:
            raise ValueError(
                "watch.window_minutes must divide a day into equal windows: "
                f"{MINUTES_A_DAY} is no multiple of it"
            )
        return self


class ScheduleConfig(Section):
    """Set when the deployments run (cron), and what else starts a retrain."""

    time_zone: str
    watch: Cron
    retrain: Cron
    audit: Cron
    retrain_on_alert: bool
    retrain_on_labels: PositiveInt
    # Newer than releases that must still be readable, so it may be left out.
    keep_checkpoints_days: PositiveInt = 30


class NumberRange(Section):
    """Set the ends of a range of numbers, both included; `log` draws from it on a logarithmic scale."""

    low: float
    high: float
    log: bool

    @property
    def ends(self) -> tuple[float, float]:
        """Return the values that a range must be valid with."""
        return self.low, self.high

    @model_validator(mode="after")
    def _is_not_empty(self) -> "NumberRange":
        if self.low >= self.high:
            raise ValueError(f"the range is empty: low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic scale begins above 0, not at {self.low:g}: write `log: false`")
        return self


class Choices(Section):
    """Set the values to choose from."""

    choices: tuple[bool | int | float | str | None, ...] = Field(min_length=1)

    @property
    def ends(self) -> tuple[object, ...]:
        """Return the values that each choice must be valid with."""
        return self.choices


def _kind_of_range(content: object) -> str:
    return "choices" if isinstance(content, Choices | Mapping) and "choices" in dict(content) else "range"


SearchRange = Annotated[
    Annotated[NumberRange, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind_of_range)
]


class TuneConfig(Section):
    """Set what `tonewatch tune` searches: keys of `finetune` with their ranges, and for how long."""

    trials: PositiveInt
    folds: int = Field(ge=2)
    minutes: PositiveFloat
    workers_at_once: PositiveInt
    ranges: dict[str, SearchRange] = Field(min_length=1)
