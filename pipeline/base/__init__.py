"""Configuration, errors, logs, seeds, times, digests, records and documents: it imports nothing of ours."""
