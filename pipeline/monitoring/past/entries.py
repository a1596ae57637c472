"""The journal entries of past texts: what their requests and topics are called."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.base import times
from pipeline.base.config import Params, Workspace
from pipeline.base.digests import text_digest
from pipeline.base.records import JournalEntry
from pipeline.core.privacy.masking import mask_pii
from pipeline.inference.champion import LoadedRelease
from pipeline.inference.journal_entry import (
    Arrival,
    JournalFields,
    TextRequest,
    journal_entry,
    prepare_text,
)
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.monitoring.windows.counts import ALL, OTHER
from pipeline.monitoring.windows.late_texts import HISTORY

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions

DEFAULT_TOPIC = "general"
LONGEST_TOPIC = 64  # characters, as the service accepts them
BATCH = 512  # rows of a file that share a request


@dataclass(frozen=True)
class PastText:
    """Hold one row of a history: its number in the table, and when it was written."""

    row: int
    text: str
    time: str
    topic: str
    id: str


def topic_name(written: str) -> str:
    """Return a topic in the letters that the service accepts; one that leaves none is named by its digest."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", written.strip()).strip("-._")[:LONGEST_TOPIC]
    if not written.strip():
        return DEFAULT_TOPIC
    # A topic may be the address of a person; two topics must not become one, nor one of the reserved names.
    lost = sum(map(str.isalnum, written)) > sum(map(str.isalnum, name))
    if lost or name in ("", ALL, OTHER) or mask_pii(written)[1]:
        return f"topic-{text_digest(written)[:8]}"
    return name


class PastEntries:
    """Make journal entries of predicted texts; a row of a file gets the same request in every attempt."""

    def __init__(
        self, workspace: Workspace, params: Params, release: LoadedRelease, *, sha256: str, came: datetime
    ) -> None:
        self._release, self._sha256, self._came = release, sha256, came
        self._hashed = params.serve.journal.texts == "hash"
        self._min_words = params.validation.language_min_words
        self._key = read_digest_key(workspace.journal_key)

    def entries(self, past: Sequence[PastText], predictions: "Predictions") -> list[JournalEntry]:
        """Return an entry for each text."""
        return [
            journal_entry(
                self._arrival(one),
                self._fields(one),
                predictions,
                row,
                release=self._release,
                wording=one.text,
            )
            for row, one in enumerate(past)
        ]

    def _fields(self, one: PastText) -> JournalFields:
        request = TextRequest(one.text, self._release.predictor.prepare.name)
        return prepare_text(request, hashed=self._hashed, min_words=self._min_words, key=self._key).fields

    def _arrival(self, one: PastText) -> Arrival:
        batch, position = divmod(one.row, BATCH)
        name = hashlib.sha256(f"{self._sha256}/{batch}".encode()).hexdigest()[:20]
        return Arrival(
            request=f"{self._came:%Y%m%d%H}-{0:08x}{name}",
            position=position,
            time=times.format_micros(self._came),
            client=HISTORY,
            topics=(one.topic,),
            written=times.to_micros(one.time),
            text_id=one.id,
        )
