"""A report of a data version with hostile texts in every place that comes from outside."""

import itertools

from pipeline.base.documents.data_report import (
    CleaningExample,
    DataReport,
    LikelyWrongExample,
    PeriodLabels,
)

SCRIPT = "<script>window.ran = 1</script><img src=http://example.invalid/x.png onerror='window.ran=1'>"
BIDI = "safe \u202e\u2066txet live\u2069 \u200fend"
MEGABYTE = "unbroken" * 131_072


def data_report(**changes: object) -> DataReport:
    days = [f"2026-09-{day:02}T00:00:00Z" for day in range(1, 13)]
    counts = {"good": 40, "bad": 25, SCRIPT: 5}
    fields: dict[str, object] = {
        "name": "v2",
        "created": "2026-09-14T08:00:00+00:00",
        "reason": SCRIPT,
        "fingerprint": "ab" * 32,
        "parent": "v1",
        "forgotten": None,
        "releases": ["R1", "R2"],
        "splits": {"train": 600, "valid": 100, "test": 140},
        "labels": {"good": 480, "bad": 300, SCRIPT: 60},
        "languages": {"en": 800, BIDI: 40},
        "sources": {"shop": {"train": 500, "test": 140}, SCRIPT: {"train": 100}, "x" * 300: {"valid": 100}},
        "account": ["Read 1,000 rows: kept 840 (84.0 %), set aside 100.", SCRIPT, BIDI],
        "losses": {"too short": 90, "duplicate": 50, SCRIPT: 10},
        "read": 1000,
        "duplicates": {"shop": 50},
        "words": {1: 100, 9: 400, 17: 240, 33: 60, 65: 40},
        "max_tokens": 64,
        "longer": 40,
        "times": [PeriodLabels(day, after, counts) for day, after in itertools.pairwise(days)],
        "untimed": 70,
        "examples": [
            CleaningExample("rule/html", "shop:1", f"<b>{SCRIPT}</b>", SCRIPT),
            CleaningExample("rule/controls", "shop:2", BIDI, "safe text"),
            CleaningExample("masked/email", "shop:3", None, "write to [email]"),
            CleaningExample("rule/blanks", "shop:4", MEGABYTE, MEGABYTE),
        ],
        "likely_wrong": [LikelyWrongExample(SCRIPT, "shop", "good", "bad", 0.91, MEGABYTE)],
        "likely_wrong_total": 7,
        "findings": ["relabelled since v1: 60 texts have another label", SCRIPT],
        "change": {"unchanged": 700, "added": 80, "dropped": 20, "relabelled": 60, "reworded": 0, "moved": 3},
        "change_examples": {"added": ["shop:9", SCRIPT], "dropped": [MEGABYTE]},
        "changed_labels": {"good -> bad": 40, f"{SCRIPT} -> good": 20},
    }
    return DataReport(**(fields | changes))  # type: ignore[arg-type]
