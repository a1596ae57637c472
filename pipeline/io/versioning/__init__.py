"""Versions of data and code, kept by DVC and git; the only package that knows the two."""
