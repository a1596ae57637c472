"""Of copies that agree one stays; of copies that do not agree none."""

from text_records import text_record

from pipeline.base.records import TextRecord
from pipeline.core.clean.duplicates import find_duplicates


def record(number: int, text: str, label: str, *, split: str = "") -> TextRecord:
    return text_record(number, text=text, label=label, split=split)


def test_later_copies_with_the_same_label_are_dropped() -> None:
    records = [
        record(1, "so good", "good"),
        record(2, "other", "bad"),
        record(3, "so good", "good"),
        record(4, "So GOOD", "good"),
    ]

    assert find_duplicates(records) == [None, None, "duplicate", "duplicate"]


def test_copies_with_different_labels_are_all_removed() -> None:
    records = [record(1, "well", "good"), record(2, "well", "bad"), record(3, "well", "good")]

    assert find_duplicates(records) == ["conflicting labels"] * 3


def test_of_copies_the_one_in_a_sources_test_split_is_kept() -> None:
    records = [record(1, "well", "good", split="train"), record(2, "well", "good", split="TEST")]

    assert find_duplicates(records) == ["duplicate", None]


def test_no_records_have_no_duplicates() -> None:
    assert find_duplicates([]) == []


def test_a_text_is_a_copy_only_with_the_same_target() -> None:
    rows = [("cold soup\nsoup", "bad"), ("cold soup\nwaiter", "good"), ("Cold soup\nSoup", "bad")]
    rows += [("cold soup\nroom", "bad"), ("cold soup\nroom", "good")]
    records = [text_record(number, text=text, label=label) for number, (text, label) in enumerate(rows)]

    assert find_duplicates(records) == [None, None, "duplicate", "conflicting labels", "conflicting labels"]
