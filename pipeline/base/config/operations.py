"""The sections that say how the line is operated: serve, watch, schedule. They change no release, so none is judged anew for them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.base.config.section import Fraction, PositiveFloat, PositiveInt, Section

MINUTES_A_DAY = 24 * 60
Cron = Annotated[str, Field(pattern=r"^\S+( \S+){4}$")]


class JournalConfig(Section):
    """Say what the journal keeps of a text, and for how long."""

    texts: Literal["masked", "hash"]
    retention_days: PositiveInt


class DashboardConfig(Section):
    """Bound what the dashboard shows and explains, and how long a person stays signed in."""

    shown_windows: PositiveInt
    explained_words: PositiveInt
    session_minutes: PositiveInt


class ServeConfig(Section):
    """Bound what one client may ask of the service, and how long a text waits for others to be answered with."""

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

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "ServeConfig":
        if self.min_replicas > self.max_replicas:
            raise ValueError("serve.min_replicas must not exceed serve.max_replicas")
        if self.max_queued_texts < self.max_texts:
            raise ValueError("serve.max_queued_texts must hold one whole request (serve.max_texts)")
        return self


class DriftConfig(Section):
    """Set how a window is compared with the reference, and how often chance alone may raise an alarm."""

    false_alarms_per_quarter: PositiveFloat
    alarm_windows: PositiveInt
    of_windows: PositiveInt
    max_texts: PositiveInt
    resamples: PositiveInt
    examples: PositiveInt

    @model_validator(mode="after")
    def _n_of_m(self) -> "DriftConfig":
        if self.alarm_windows > self.of_windows:
            raise ValueError("watch.drift.alarm_windows must not exceed watch.drift.of_windows")
        return self


class ChangePointConfig(Section):
    """Set when a change in the series of a share counts as a tone event."""

    min_windows: PositiveInt
    false_alarms_per_quarter: PositiveFloat
    min_change: Fraction


class QualityConfig(Section):
    """Set how feedback is judged, and when a release is rolled back by itself."""

    min_labels: PositiveInt
    rollback_hours: PositiveFloat
    rollback_margin: Fraction


class WatchConfig(Section):
    """Set the windows, what is asked of each, and how long an alert stays quiet."""

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

    @model_validator(mode="after")
    def _windows_fill_a_day(self) -> "WatchConfig":
        if MINUTES_A_DAY % self.window_minutes:
            raise ValueError(
                f"watch.window_minutes must divide a day into equal windows: {MINUTES_A_DAY} is no multiple of it"
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
    # Younger than the releases that must still be read, so it may be left out.
    keep_checkpoints_days: PositiveInt = 30
