"""Validation of the data: an expectation suite for all of it, and leakage between the splits."""
