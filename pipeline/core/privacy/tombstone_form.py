"""The form under which a forgotten text is recognized, however a source writes it."""

import re

from pipeline.core.clean.duplicates import duplicate_key
from pipeline.core.privacy.preparation import MASKED

ONLY_PLACEHOLDERS = re.compile(r"(\s|\[[a-z ]+\])*")


def tombstone_form(text: str) -> str:
    """Return a text cleaned, masked and without case; empty where nothing but placeholders is left.

    Such a text is known by its id alone: its form is that of many.
    """
    form = duplicate_key(MASKED(text))
    return "" if ONLY_PLACEHOLDERS.fullmatch(form) else form
