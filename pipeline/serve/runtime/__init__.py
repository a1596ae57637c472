"""Inside the running service: the champion in memory, batches, metrics."""
