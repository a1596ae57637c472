"""Two data versions are compared text by text, by id."""

import dataclasses
from pathlib import Path

from text_records import text_record

from pipeline.base.records import SPLITS, TextRecord
from pipeline.io import parquet
from pipeline.io.versioning.version_diff import diff_folders


def folder(root: Path, *sides: list[TextRecord]) -> Path:
    root.mkdir()
    for name, records in zip(SPLITS, sides, strict=True):
        parquet.write_texts(root / f"{name}.parquet", records)
    return root


def test_what_was_added_dropped_relabelled_reworded_and_moved_is_counted(tmp_path: Path) -> None:
    texts = [text_record(number) for number in range(10)]
    old = folder(tmp_path / "old", texts[:6], texts[6:8], texts[8:9])
    relabelled = dataclasses.replace(texts[1], label="bad")
    reworded = dataclasses.replace(texts[2], text="other words")
    # Text 0 is dropped, 9 is added, 7 moves from valid to test.
    new = folder(tmp_path / "new", [relabelled, reworded, *texts[3:6], texts[9]], [texts[6]], texts[7:9])

    diff = diff_folders(old, new, names=("v1", "v2"))

    assert (diff.old, diff.new) == ("v1", "v2")
    assert diff.counts == {"added": 1, "dropped": 1, "relabelled": 1, "reworded": 1, "moved": 1}
    assert diff.unchanged == 5
    assert diff.examples == {
        "added": ["s:9"],
        "dropped": ["s:0"],
        "relabelled": ["s:1"],
        "reworded": ["s:2"],
        "moved": ["s:7"],
    }
    assert diff.labels == {"good -> bad": 1}
    assert diff.splits == {"valid -> test": 1}


def test_a_version_does_not_differ_from_itself(tmp_path: Path) -> None:
    texts = [text_record(number) for number in range(3)]
    one = folder(tmp_path / "one", texts[:1], texts[1:2], texts[2:])

    diff = diff_folders(one, one, names=("v1", "v1"))

    assert (diff.unchanged, set(diff.counts.values()), diff.labels, diff.splits) == (3, {0}, {}, {})


def test_an_empty_split_can_be_compared(tmp_path: Path) -> None:
    texts = [text_record(number) for number in range(3)]
    old = folder(tmp_path / "old", texts, [], [])

    assert (
        diff_folders(old, folder(tmp_path / "new", texts[:2], [], []), names=("a", "b")).counts["dropped"]
        == 1
    )
