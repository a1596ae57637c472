"""Labels as tables spell them: in other cases, with blanks, as numbers, composed in another way."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

# What the service itself answers where no label is probable enough, so no label may have this name.
UNCERTAIN = "uncertain"
# What tables write where there is no label; a label of that name is one.
NO_LABEL = frozenset(("", "nan", "null", "none", "n/a", "na", "not available", "-", "?"))
SEPARATORS = (",", ";", "|")
# The further labels of a text that is known to have no label at all, and how tables write that.
EMPTY_SET = "[]"
EMPTY_SETS = frozenset(("[]", "{}", "()", "set()"))
NUMBER = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:e[+-]?\d{1,2})?")
# Blanks, zero-width characters, the byte order mark and soft hyphens.
EDGE = "\\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff"
EDGES = re.compile(f"^[{EDGE}]+|[{EDGE}]+$")
BLANKS = re.compile(r"\s+")


def label_key(written: str) -> str:
    """Return what equal labels have in common: composition, case, blanks around, and the value of a number.

    `1`, `1.0` and ` 1 ` are equal, and so are `Déçu` composed and decomposed.
    """
    trimmed = trim_label(written)
    if trimmed.isascii():
        key = trimmed.lower()
    else:
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", trimmed).casefold())
    key = BLANKS.sub(" ", key)
    return _number_key(key) if NUMBER.fullmatch(key) else key


def trim_label(written: str) -> str:
    """Return a label without the blanks and invisible characters around it."""
    return EDGES.sub("", written)


def _number_key(number: str) -> str:
    value = Decimal(number)
    return (
        format(value.to_integral() if value == value.to_integral() else value.normalize(), "f")
        if value
        else "0"
    )


def written_label(value: object) -> object:
    """Return a label of params.yaml as people wrote it: true and false are no names to YAML."""
    return str(value).lower() if isinstance(value, bool) else value


class LabelMap:
    """Map the labels that a source writes to those of `collect.labels`, spelled as they are there.

    `renames` are the source's own labels and what they mean. Two of its keys that are one label are an error
    that the configuration reports.
    """

    def __init__(self, labels: Sequence[str], renames: Mapping[str, str]) -> None:
        self._order = {label: place for place, label in enumerate(labels)}
        known = {label_key(label): label for label in labels}
        # Each written label is renamed once, so that two labels can change places.
        renamed = {label_key(name): known.get(label_key(label), label) for name, label in renames.items()}
        self._by_key = known | renamed
        self._cache: dict[str, str | None] = {}

    def find(self, written: str) -> str | None:
        """Return the label that `written` means, None where it is unknown."""
        if written not in self._cache:
            if len(self._cache) > 10_000:  # a column that holds no labels
                self._cache.clear()
            self._cache[written] = self._by_key.get(label_key(written))
        return self._cache[written]

    def in_order(self, labels: Iterable[str]) -> list[str]:
        """Return distinct labels in the order of `collect.labels`."""
        return sorted(set(labels), key=lambda label: (self._order.get(label, len(self._order)), label))

    def find_all(self, written: str, separator: str | None) -> list[str]:
        """Return the labels of a cell that holds several, in order; empty where a part of it is unknown.

        Without a separator the usual ones are tried, where every part is a known label.
        """
        for one in [separator] if separator else SEPARATORS:
            if one in written:
                parts = [part for part in written.strip("[](){} ").split(one) if label_key(part)]
                found = [self.find(part.strip(" '\"")) for part in parts]
                if found and None not in found:
                    return self.in_order(label for label in found if label is not None)
        # A list of one.
        bare = written.strip("[](){} ")
        one_label = self.find(bare.strip(" '\"")) if bare != written.strip() else None
        return [one_label] if one_label else []


def is_no_label(written: str) -> bool:
    """Return whether a cell says that there is no label."""
    return label_key(written) in NO_LABEL


def pack_labels(labels: Sequence[str]) -> str:
    """Write the further labels of a text as a record holds them: a JSON list, empty without any."""
    return json.dumps(list(labels), ensure_ascii=False) if labels else ""


def unpack_labels(packed: str) -> tuple[str, ...]:
    """Read the further labels of a text."""
    return tuple(json.loads(packed)) if packed else ()


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that are one label with an earlier one."""
    seen: set[str] = set()
    again = []
    for name in names:
        if label_key(name) in seen:
            again.append(name)
        seen.add(label_key(name))
    return again
