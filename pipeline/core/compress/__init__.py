"""Compression: what training made, as something small and quick that answers the same."""
