"""Cleaning of texts: rules, faults, duplicates, language."""
