"""Prometheus metrics of the service."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServiceMetrics:
    """Hold the metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "tonewatch_requests_total",
            "Requests by route and status.",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "tonewatch_request_seconds",
            "Time to respond, by route.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.predictions = Counter(
            "tonewatch_predictions_total",
            "Predictions by release and label.",
            ["release", "label"],
            registry=registry,
        )
        self.queued_texts = Gauge(
            "tonewatch_queued_texts", "Texts that wait for a prediction.", registry=registry
        )
        self.journal_failures = Counter(
            "tonewatch_journal_failures_total", "Predictions the journal could not store.", registry=registry
        )
        self.champion_info = Gauge(
            "tonewatch_champion_info",
            "1 for the release in service.",
            ["release", "data_version"],
            registry=registry,
        )
        self.reloads = Counter("tonewatch_reloads_total", "Changes of the champion.", registry=registry)
        self.releases_refused = Counter(
            "tonewatch_releases_refused_total",
            "Failed attempts to load a new champion.",
            registry=registry,
        )
        self.ledger_reachable = Gauge(
            "tonewatch_ledger_reachable", "1 while the ledger can be read.", registry=registry
        )

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)
