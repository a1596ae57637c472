"""What everything shares: configuration, errors, logs, seeds, times, digests, records and documents. It imports nothing of ours."""
