"""Masking of personal data in texts."""
