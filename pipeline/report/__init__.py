"""The record of a release as a page that a person can read, keep and print, and as cards that travel."""

from pipeline.report.card import card
from pipeline.report.markdown import brief, markdown
from pipeline.report.page import history_page, page, policy

__all__ = ["brief", "card", "history_page", "markdown", "page", "policy"]
