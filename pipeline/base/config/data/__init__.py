"""Limits of the data that are a section of their own below a stage's."""
