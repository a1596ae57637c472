"""A text as cleaning, validating and splitting see it; a test changes the fields that it is about."""

from typing import Any

from pipeline.base.records import TextRecord


def text_record(number: int, **fields: Any) -> TextRecord:
    """Return a text with an id and a group of its own, in English, labelled `good`."""
    key = f"{fields.get('source', 's')}:{number}"
    defaults = {
        "id": key,
        "text": f"text {number}",
        "label": "good",
        "source": "s",
        "group": key,
        "lang": "en",
        "time": "",
        "licence": "MIT",
    }
    return TextRecord(**(defaults | fields))
