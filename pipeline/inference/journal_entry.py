"""What the journal stores of a text that was predicted."""

from dataclasses import dataclass

from pipeline.base.digests import keyed_digest
from pipeline.core.clean.language import detect_language
from pipeline.core.clean.words import count_words
from pipeline.core.monitor.text_clusters import text_cluster
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import preparation_named


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


@dataclass(frozen=True)
class TextRequest:
    """Hold a text, and the name of the preparation that the release in service asks for."""

    text: str
    preparation: str

    def __len__(self) -> int:
        """Return the number of characters, by which queues count."""
        return len(self.text)


def prepare_text(request: TextRequest, *, hashed: bool, min_words: int, key: bytes) -> PreparedText:
    """Prepare a text for the model and mask it for the journal; see `journal_fields`."""
    cleaned = preparation_named(request.preparation)(request.text)
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
