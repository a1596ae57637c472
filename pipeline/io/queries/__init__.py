"""Databases of the user, which are only read."""
