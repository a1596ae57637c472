"""Of copies that agree one stays; of copies that do not agree none."""

from pipeline.base.records import TextRecord
from pipeline.core.clean.duplicates import find_duplicates


def record(number: int, text: str, label: str, *, split: str = "") -> TextRecord:
    return TextRecord(
        id=f"s:{number}",
        text=text,
        label=label,
        source="s",
        group=f"s:{number}",
        lang="en",
        time="",
        licence="MIT",
        split=split,
    )


def test_later_copies_with_the_same_label_are_dropped() -> None:
    records = [
        record(1, "so good", "good"),
        record(2, "other", "bad"),
        record(3, "so good", "good"),
        record(4, "So GOOD", "good"),
    ]

    assert find_duplicates(records) == [None, None, "duplicate", "duplicate"]


def test_copies_with_different_labels_are_all_set_aside() -> None:
    records = [record(1, "well", "good"), record(2, "well", "bad"), record(3, "well", "good")]

    assert find_duplicates(records) == ["conflicting labels"] * 3


def test_a_test_text_of_a_source_stays_and_its_copy_in_train_goes() -> None:
    records = [record(1, "well", "good", split="train"), record(2, "well", "good", split="TEST")]

    assert find_duplicates(records) == ["duplicate", None]


def test_no_records_have_no_duplicates() -> None:
    assert find_duplicates([]) == []
