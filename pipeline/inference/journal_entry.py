"""What the journal stores of a text that was predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.base.digests import keyed_digest
from pipeline.base.records import JournalEntry
from pipeline.base.tasks.targets import by_part
from pipeline.core.clean.language import detect_language
from pipeline.core.clean.words import count_words
from pipeline.core.monitor.text_clusters import text_cluster
from pipeline.core.privacy.masking import mask_pii
from pipeline.core.privacy.preparation import preparation_named
from pipeline.inference.prediction import prediction_of

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions
    from pipeline.inference.champion import LoadedRelease


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
    masked = by_part(lambda part: mask_pii(part)[0], cleaned)
    # Detecting a language takes as long as all else here, so readers do it where the text is stored.
    return JournalFields(
        text="" if hashed else masked,
        lang=detect_language(masked, min_words=min_words) if hashed else "",
        digest=keyed_digest(masked, key),
        words=count_words(masked),
        cluster=text_cluster(masked, key=key),
    )


@dataclass(frozen=True)
class Arrival:
    """Hold how a text came: in which request, at which place in it, when, and from whom; see JournalEntry.

    `written` is when the text was written, "" where that is not known.
    """

    request: str
    position: int
    time: str
    client: str
    topics: Sequence[str]
    written: str = ""
    text_id: str = ""


def journal_entry(
    arrival: Arrival,
    fields: JournalFields,
    predictions: "Predictions",
    row: int,
    *,
    release: "LoadedRelease",
    wording: str,
) -> JournalEntry:
    """Return the journal entry of a text that `release` predicted in a row of `predictions`.

    `wording` is the text in which the places of its answer count; in the entry they are those of the stored
    text, which is masked.
    """
    topic, *more_topics = dict.fromkeys(arrival.topics)
    answer = predictions.labels[row]
    if fields.text:
        answer = release.predictor.in_text(answer, wording, fields.text)
    return JournalEntry(
        request=arrival.request,
        position=arrival.position,
        time=arrival.time,
        text=fields.text,
        digest=fields.digest,
        label=answer,
        uncertain=predictions.uncertain[row],
        probabilities=tuple(prediction_of(predictions, row, labels=release.labels).probabilities.values()),
        release=release.name,
        data_version=release.data_version,
        client=arrival.client,
        topic=topic,
        lang=fields.lang,
        words=fields.words,
        unknown=predictions.unknown[row],
        written=arrival.written,
        text_id=arrival.text_id,
        more_topics=tuple(more_topics),
        cluster=fields.cluster,
    )
