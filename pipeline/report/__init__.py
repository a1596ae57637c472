"""The record of a release as one page that a person can read, keep and print."""

from pipeline.report.page import page

__all__ = ["page"]
