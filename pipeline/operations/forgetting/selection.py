"""What a person wants forgotten: records by id, texts by what they contain, everything of a subject."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.base.digests import text_digest
from pipeline.base.errors import UsageError
from pipeline.base.records import JournalEntry
from pipeline.core.privacy.preparation import MASKED, PLAIN
from pipeline.core.privacy.tombstone_form import tombstone_form

KEY_DIGITS = 16


@dataclass(frozen=True)
class Selection:
    """Select rows: `ids` of records, `parts` of texts without case, `subjects`: groups and clients."""

    ids: frozenset[str]
    parts: tuple[str, ...]
    subjects: frozenset[str]

    @classmethod
    def of(cls, ids: Sequence[str], matches: Sequence[str], subjects: Sequence[str]) -> "Selection":
        """Return a selection; what is to be matched is read as it was written, cleaned, and masked.

        Raises UsageError where nothing is selected, or where nothing of a match could ever be stored.
        """
        parts: dict[str, None] = {}
        for match in matches:
            if not tombstone_form(match):
                raise UsageError(
                    f"{match!r} is nothing but personal data, which is masked before a text is stored, or "
                    "blank: every masked text would match. Name the record by --id or --subject."
                )
            parts |= dict.fromkeys(form.casefold() for form in (match, PLAIN(match), MASKED(match)))
        named = {name for name in (*ids, *subjects) if not name.strip()}
        if named or not (ids or matches or subjects):
            raise UsageError("Name what is to be forgotten: request ids, --id, --match or --subject.")
        # A name that is an address was stored as a digest.
        keys = {form for subject in subjects for form in (subject, text_digest(subject)[:KEY_DIGITS])}
        return cls(frozenset(ids), tuple(parts), frozenset(keys))

    def hits(self, row: Mapping[str, str]) -> bool:
        """Return whether a row of a table is selected."""
        if row.get("id", "") in self.ids or self.holds_part(row.get("text", "") or row.get("content", "")):
            return True
        group = row.get("group", "")
        return bool(group) and not self.subjects.isdisjoint((group, group.partition(":")[2]))

    def hits_entry(self, entry: JournalEntry) -> bool:
        """Return whether a prediction is selected, by its text, the client's id of it, or the client."""
        by_name = entry.client in self.subjects or (bool(entry.text_id) and entry.text_id in self.ids)
        return by_name or self.holds_part(entry.text)

    def holds_part(self, text: str) -> bool:
        """Return whether a text contains what is to be matched."""
        low = text.casefold() if self.parts and text else ""
        return any(part in low for part in self.parts) if low else False
