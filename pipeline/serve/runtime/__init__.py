"""Inside the service: the champion in memory, batches and metrics."""
