"""Forgetting: tombstones, and files in which no byte of a forgotten text may stay."""
