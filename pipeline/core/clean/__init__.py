"""Texts made plain, faults named, duplicates found. Nothing here opens a file."""
