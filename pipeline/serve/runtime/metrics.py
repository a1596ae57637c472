"""What Prometheus can read of the service."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServiceMetrics:
    """Count what one app does, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        made = self._registry
        self.requests = Counter(
            "tonewatch_requests_total", "Requests by route and status.", ["route", "status"], registry=made
        )
        self.seconds = Histogram(
            "tonewatch_request_seconds", "Time to answer by route.", ["route"], buckets=SECONDS, registry=made
        )
        self.texts = Counter(
            "tonewatch_texts_total",
            "Texts answered by release and label.",
            ["release", "label"],
            registry=made,
        )
        self.waiting = Gauge("tonewatch_waiting_texts", "Texts that wait to be answered.", registry=made)
        self.unkept = Counter(
            "tonewatch_journal_failures_total", "Answers that the journal could not keep.", registry=made
        )
        self.serving = Gauge(
            "tonewatch_release", "1 for the release in service.", ["release", "data_version"], registry=made
        )
        self.reloads = Counter("tonewatch_reloads_total", "Times a new champion took over.", registry=made)
        self.refused = Counter(
            "tonewatch_releases_refused_total", "Times a new champion could not be opened.", registry=made
        )
        self.ledger = Gauge("tonewatch_ledger_reachable", "1 while the ledger can be asked.", registry=made)

    def written(self) -> bytes:
        """Give all of it as Prometheus reads it."""
        return generate_latest(self._registry)
