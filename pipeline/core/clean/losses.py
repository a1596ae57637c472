"""Losses above their limit: what was lost, where, and the line of params.yaml that keeps it."""

import difflib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.base.config import MaxLoss
from pipeline.base.data_account import (
    CONFLICT,
    LIMIT_KEYS,
    NO_LABEL,
    NO_TARGET,
    SEVERAL_LABELS,
    UNKNOWN_LABEL,
    DataAccount,
)
from pipeline.base.labels import UNCERTAIN, label_key
from pipeline.base.records import TextRecord, Unreadable

LISTED, EXAMPLES, SHOWN_CHARACTERS = 12, 5, 80
UNREADABLE = "unreadable"


@dataclass
class LostRows:
    """Collect what a message about losses shows: unknown labels by source, the ids of examples by reason.

    `aspects` names by source the column that distinguishes the rows of one text, `labels` those of
    `collect.labels`. `unreadable` holds the first `LISTED` rows that could not be read.
    """

    labels: Sequence[str]
    aspects: Mapping[str, str]
    unreadable: Sequence[Unreadable] = ()
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    sources: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, record: TextRecord, reason: str) -> None:
        """Add a record that is set aside."""
        key = LIMIT_KEYS.get(reason, reason)
        self.sources.setdefault(key, Counter())[record.source] += 1
        if len(examples := self.examples.setdefault(key, [])) < EXAMPLES:
            examples.append(record.id)
        if reason == UNKNOWN_LABEL:
            self.unknown.setdefault(record.source, Counter())[record.label[:SHOWN_CHARACTERS]] += 1

    @property
    def unknown_labels(self) -> Counter[str]:
        """Return all unknown labels with their counts."""
        return sum(self.unknown.values(), Counter[str]())


def losses_above_limit(account: DataAccount, limits: MaxLoss, lost: LostRows) -> list[str]:
    """Return a paragraph for each loss above its limit, with the line to write in params.yaml."""
    numbers = Counter({UNREADABLE: account.unreadable})
    for reason, number in account.set_aside.items():
        numbers[LIMIT_KEYS[reason]] += number
    shares = {
        "unreadable": limits.unreadable,
        "unknown_label": limits.unknown_label,
        "no_label": limits.no_label,
        "several_labels": limits.several_labels,
        "conflicting_labels": limits.conflicting_labels,
        "no_text": limits.no_text,
        "too_short": limits.too_short,
        "too_long": limits.too_long,
    }
    paragraphs = []
    for key, number in sorted(numbers.items(), key=lambda one: -one[1]):
        limit = shares[key]
        if number > limit * account.read:
            share = number / account.read
            head = (
                f"{number:,} of {account.read:,} rows ({100 * share:.1f} %): {key.replace('_', ' ')}, "
                f"at most {100 * limit:.4g} % may be lost (clean.max_loss.{key})."
            )
            allowed = f"To go on without them: `clean: {{max_loss: {{{key}: {_rounded_up(share)}}}}}`."
            paragraphs.append(
                "\n".join([head, *(f"  {line}" for line in [*_details(key, lost, account), allowed])])
            )
    return paragraphs


def _details(key: str, lost: LostRows, account: DataAccount) -> Iterator[str]:
    """Say which rows they are, and what to write to keep them."""
    if key == UNREADABLE:
        yield from map(_place, lost.unreadable[:LISTED])
        if account.unreadable > LISTED:
            yield f"{account.unreadable - LISTED:,} more"
        return
    if key == LIMIT_KEYS[UNKNOWN_LABEL]:
        for source, labels in lost.unknown.items():
            yield from _unknown_labels(source, labels, lost.labels)
        return
    yield f"They are of {_counted(lost.sources[key])}; the first: {', '.join(lost.examples[key])}."
    if key == LIMIT_KEYS[SEVERAL_LABELS]:
        yield "A model of one label a text leaves the others out. To learn all of them: `task: multi_label`."
    if key == LIMIT_KEYS[CONFLICT]:
        for source in lost.sources[key]:
            yield from _conflict(source, lost.aspects.get(source, ""))
    if key == LIMIT_KEYS[NO_TARGET] and (number := account.set_aside.get(NO_TARGET, 0)):
        yield f"{number:,} of them have no target: name the column that holds it in `columns.target`."
    if key == LIMIT_KEYS[NO_LABEL]:
        yield "Name the column that holds the label or the rating in `columns` of that source."


def _place(row: Unreadable) -> str:
    parts = [row.where, *([f"line {row.line}"] if row.line else []), *([f"row {row.row}"] if row.row else [])]
    parts += [f"column {row.column!r}"] if row.column else []
    return f"{', '.join(parts)}: {row.reason}. Content: {row.content[:SHOWN_CHARACTERS]!r}."


def _unknown_labels(source: str, counts: Mapping[str, int], labels: Sequence[str]) -> Iterator[str]:
    by_number = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    listed = ", ".join(f"{label!r} {number:,}" for label, number in by_number[:LISTED])
    more = f", {len(by_number) - LISTED:,} more" if len(by_number) > LISTED else ""
    yield f"source {source}: {listed}{more}. Known labels: {', '.join(labels)}."
    pairs = {label: closest_label(label, labels) for label, _ in by_number[:LISTED]}
    entries = ", ".join(f"{_yaml(label)}: {_yaml(meant or labels[0])}" for label, meant in pairs.items())
    advice = "" if all(pairs.values()) else " with the label that each of them means"
    yield f"Write at this source in params.yaml{advice}: `label_map: {{{entries}}}`"
    new = [label for label in pairs if label_key(label) != UNCERTAIN]
    if new and len(by_number) <= LISTED:
        yield f"or, if they are labels of their own, add to `collect.labels`: {', '.join(map(_yaml, new))}"


def closest_label(written: str, labels: Sequence[str]) -> str | None:
    """Return the label that an unknown one most likely means: its beginning, or nearly its spelling."""
    key = label_key(written).strip(".!,;: ")
    keys = {label_key(label): label for label in labels}
    if key in keys:
        return keys[key]
    begins = [name for name in keys if len(key) >= 2 and (name.startswith(key) or key.startswith(name))]
    if len(begins) == 1:
        return keys[begins[0]]
    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.75)
    return keys[close[0]] if close else None


def _conflict(source: str, column: str) -> Iterator[str]:
    if column:
        yield (
            f"source {source}: column {column!r} distinguishes the rows of one text: this is a table of "
            f"aspects, with a label for each {column} of a text. Write `task: aspect`, and "
            f"`target: {_yaml(column)}` in its columns, or keep the texts of one label alone."
        )
    else:
        yield f"source {source}: the same text has different labels."


def _counted(sources: Mapping[str, int]) -> str:
    return ", ".join(f"source {name} ({number:,})" for name, number in sources.items())


def _yaml(label: str) -> str:
    plain = label.isalpha() and label.lower() not in ("true", "false", "null", "yes", "no", "on", "off")
    return label if plain else json.dumps(label, ensure_ascii=False)


def _rounded_up(share: float) -> str:
    return f"{min(1.0, math.ceil(share * 100 + 1e-9) / 100):.2f}"
