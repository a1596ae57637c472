"""Prometheus metrics of the service."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServiceMetrics:
    """Hold the metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, buckets=SECONDS, registry=registry)
        self.requests = counter(
            "tonewatch_requests_total", "Requests by route and status.", ["route", "status"]
        )
        self.request_seconds = histogram("tonewatch_request_seconds", "Time to respond, by route.", ["route"])
        self.predictions = counter(
            "tonewatch_predictions_total", "Predictions by release and label.", ["release", "label"]
        )
        self.queued_texts = gauge("tonewatch_queued_texts", "Texts that wait for a prediction.")
        self.queued_characters = gauge(
            "tonewatch_queued_characters", "Characters that wait to be cleaned and masked."
        )
        self.turned_away = counter(
            "tonewatch_turned_away_total", "Requests that a full or slow queue turned away.", ["why"]
        )
        self.journal_failures = counter(
            "tonewatch_journal_failures_total", "Predictions the journal could not store."
        )
        self.champion_info = gauge(
            "tonewatch_champion_info", "1 for the release in service.", ["release", "data_version"]
        )
        self.reloads = counter("tonewatch_reloads_total", "Changes of the champion.")
        self.releases_refused = counter(
            "tonewatch_releases_refused_total", "Failed attempts to load a new champion."
        )
        self.ledger_reachable = gauge("tonewatch_ledger_reachable", "1 while the ledger can be read.")

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)
