"""What the journal stores of a text."""

import pytest

from pipeline.core.clean.rules import clean_text
from pipeline.inference.journal_entry import journal_fields


@pytest.mark.parametrize(
    "text",
    [
        "write to joe@x.example",
        "write to joe&#64;x.example",
        "write to jo\u200be@x.example",
        "write to <b>joe</b>@x.example",
    ],
)
def test_an_address_is_masked_however_it_is_hidden(text: str) -> None:
    fields = journal_fields(clean_text(text)[0], hashed=False, min_words=8, key=b"k")

    assert (fields.text, fields.words) == ("write to [email]", 3)


def test_the_language_is_detected_only_where_the_text_is_not_stored() -> None:
    text = "this is a plain sentence in the English language"

    hashed = journal_fields(text, hashed=True, min_words=3, key=b"k")
    stored = journal_fields(text, hashed=False, min_words=3, key=b"k")

    assert (hashed.text, hashed.lang) == ("", "en")
    assert (stored.text, stored.lang) == (text, "")
    assert hashed.digest == stored.digest
    assert journal_fields(text, hashed=True, min_words=3, key=b"other").digest != hashed.digest
