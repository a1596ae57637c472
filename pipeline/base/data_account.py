"""The account of the rows of a data version: what was read is what was kept and what was not, by reason."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

# Why a text is set aside.
NO_TEXT, PLACEHOLDER, NO_TARGET = "no text", "placeholder", "no target"
NO_LABEL, UNKNOWN_LABEL, SEVERAL_LABELS = "no label", "unknown label", "several labels"
TOO_SHORT, TOO_LONG = "too short", "too long"
DUPLICATE, CONFLICT = "duplicate", "conflicting labels"
# Under which key `clean.max_loss` limits each reason.
LIMIT_KEYS = {
    NO_TEXT: "no_text",
    PLACEHOLDER: "no_text",
    NO_TARGET: "no_text",
    NO_LABEL: "no_label",
    UNKNOWN_LABEL: "unknown_label",
    SEVERAL_LABELS: "several_labels",
    CONFLICT: "conflicting_labels",
    TOO_SHORT: "too_short",
    TOO_LONG: "too_long",
}
ACCOUNT = "account"
SHOWN = 6


@dataclass(frozen=True)
class DataAccount:
    """Count every row that was read; kept, set aside, duplicate, unreadable and forgotten add up to `read`.

    `set_aside` counts by reason, `unknown_labels` by the label as written. `labels_read` counts labels that
    are written in another way, as `'POS ' -> positive`; `changed` texts by the rule, `masked` by the kind of
    personal data. `near_duplicates` are kept texts with a near copy before them, `left_out` those in no
    split, `forgotten` those that a person had forgotten, `corrected` those whose label a person corrected.
    `remarks` are sentences about what was assumed.
    """

    read: int
    kept: int
    duplicates: int
    unreadable: int
    set_aside: Mapping[str, int] = field(default_factory=dict)
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    labels_read: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    masked: Mapping[str, int] = field(default_factory=dict)
    near_duplicates: int = 0
    left_out: int = 0
    forgotten: int = 0
    corrected: int = 0
    remarks: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Write the account as one line, as receipts keep it."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "DataAccount":
        """Read an account that `to_json` wrote; keys of a later version are passed over."""
        content = json.loads(text)
        names = {one.name for one in dataclasses.fields(cls)}
        known = {name: value for name, value in content.items() if name in names}
        return cls(**{**known, "remarks": tuple(known.get("remarks", ()))})

    @classmethod
    def of_notes(cls, notes: Mapping[str, str]) -> "DataAccount | None":
        """Read the account from the notes of a receipt; receipts of earlier versions hold none."""
        return cls.from_json(notes[ACCOUNT]) if ACCOUNT in notes else None

    def lines(self) -> list[str]:
        """Say in six lines at most what became of the rows; without losses it is one."""
        parts = [
            f"Read {self.read:,} rows: kept {self.kept:,} ({_percent(self.kept, self.read)})",
            f"set aside {sum(self.set_aside.values()):,}",
            f"duplicates {self.duplicates:,}",
            f"unreadable {self.unreadable:,}",
            *([f"forgotten {self.forgotten:,}"] if self.forgotten else []),
        ]
        lines = [", ".join(parts) + "."]
        if self.set_aside:
            unknown = f" ({_listed(self.unknown_labels, quoted=True)})" if self.unknown_labels else ""
            reasons = (
                f"{reason} {number:,}{unknown if reason == UNKNOWN_LABEL else ''}"
                for reason, number in _by_number(self.set_aside)
            )
            lines.append(f"Set aside: {', '.join(reasons)}.")
        if self.corrected:
            lines.append(f"Labels corrected: {self.corrected:,}.")
        if self.labels_read:
            lines.append(f"Labels read: {_listed(self.labels_read)}.")
        changes = [f"changed: {_listed(self.changed)}"] if self.changed else []
        changes += [f"masked: {_listed(self.masked)}"] if self.masked else []
        changes += [f"near duplicates: {self.near_duplicates:,}"] if self.near_duplicates else []
        changes += [f"in no split: {self.left_out:,}"] if self.left_out else []
        if changes:
            lines.append(f"Texts {'; '.join(changes)}.")
        if self.remarks:
            lines.append(f"Note: {'; '.join(self.remarks)}.")
        return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def _by_number(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _listed(counts: Mapping[str, int], *, quoted: bool = False) -> str:
    named = [f"{repr(name) if quoted else name} {number:,}" for name, number in _by_number(counts)]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return ", ".join([*named[:SHOWN], *more])


def under(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of a receipt under `prefix/`, by the rest of their names, without zeros."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): number
        for name, number in counts.items()
        if name.startswith(start) and number
    }
