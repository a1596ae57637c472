"""Tombstones: they tell whether a text or its id was forgotten, and hold no content."""

import functools
from collections.abc import Callable
from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.base.digests import json_digest, keyed_digest
from pipeline.io.forgetting.record import read_record
from pipeline.io.journal.digest_key import read_digest_key


class Tombstones:
    """Recognize forgotten texts by keyed digests; `form` brings a text into the form that is digested."""

    def __init__(
        self, texts: frozenset[str], ids: frozenset[str], key: bytes, form: Callable[[str], str]
    ) -> None:
        self.texts, self.ids, self._key, self._form = texts, ids, key, form
        # Versions share most of their texts.
        self._digest = functools.lru_cache(maxsize=1 << 16)(self.text_digest)

    def __bool__(self) -> bool:
        """Return whether anything was forgotten."""
        return bool(self.texts or self.ids)

    def text_digest(self, text: str) -> str:
        """Return the keyed digest of a text; empty where its form is empty."""
        form = self._form(text)
        return keyed_digest(f"text\0{form}", self._key) if form else ""

    def id_digest(self, name: str) -> str:
        """Return the keyed digest of an id."""
        return keyed_digest(f"id\0{name}", self._key)

    def covers_text(self, text: str) -> bool:
        """Return whether a text was forgotten."""
        return bool(self.texts) and self._digest(text) in self.texts

    def covers_id(self, name: str) -> bool:
        """Return whether an id was forgotten; copies of an id, as `a:1#2`, are that id."""
        return bool(self.ids) and not self.ids.isdisjoint(
            (self.id_digest(name), self.id_digest(name.rpartition("#")[0]))
        )

    def covers(self, name: str, text: str) -> bool:
        """Return whether an id or a text was forgotten."""
        return self.covers_id(name) or self.covers_text(text)


def open_tombstones(workspace: Workspace, form: Callable[[str], str]) -> Tombstones:
    """Read the tombstones of a workspace; the first call makes the key."""
    record = read_record(workspace.root)
    key = read_digest_key(workspace.journal_key) if record["texts"] or record["ids"] else b""
    return Tombstones(frozenset(record["texts"]), frozenset(record["ids"]), key, form)


def tombstones_identity(root: Path) -> str:
    """Return a digest that changes when something is forgotten; empty before that."""
    record = read_record(root)
    held = [record["texts"], record["ids"]]
    return json_digest(held) if any(held) else ""
