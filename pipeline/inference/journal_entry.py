"""What the journal stores of a text that was predicted."""

from dataclasses import dataclass

from pipeline.base.digests import keyed_digest
from pipeline.core.clean.language import detect_language
from pipeline.core.clean.rules import clean_text
from pipeline.core.clean.words import count_words
from pipeline.core.monitor.text_clusters import text_cluster
from pipeline.core.privacy.masking import mask_pii


@dataclass(frozen=True)
class JournalFields:
    """Hold the fields of a journal entry that depend on its text alone; see JournalEntry."""

    text: str
    lang: str
    digest: str
    words: int
    cluster: str


@dataclass(frozen=True)
class PreparedText:
    """Hold a text as the model reads it, and what the journal stores of it."""

    cleaned: str
    fields: JournalFields


def prepare_text(text: str, *, hashed: bool, min_words: int, key: bytes) -> PreparedText:
    """Clean a text for the model and mask it for the journal; see `journal_fields`."""
    cleaned = clean_text(text)[0]
    return PreparedText(cleaned, journal_fields(cleaned, hashed=hashed, min_words=min_words, key=key))


def journal_fields(cleaned: str, *, hashed: bool, min_words: int, key: bytes) -> JournalFields:
    """Mask a cleaned text; where texts are stored hashed, return its digest and language instead of the text.

    `min_words` is the length below which no language is detected, `key` that of the digest.
    """
    masked = mask_pii(cleaned)[0]
    # Detecting a language takes as long as all else here, so readers do it where the text is stored.
    return JournalFields(
        text="" if hashed else masked,
        lang=detect_language(masked, min_words=min_words) if hashed else "",
        digest=keyed_digest(masked, key),
        words=count_words(masked),
        cluster=text_cluster(masked, key=key),
    )
