"""No id, text or group may be in two splits."""

from text_records import text_record

from pipeline.base.records import SplitName, TextRecord
from pipeline.core.validate.leakage import leaks


def record(number: int, text: str, group: str = "") -> TextRecord:
    return text_record(number, text=text, group=group or f"s:{number}")


def test_splits_that_share_nothing_have_no_leak() -> None:
    sides: dict[SplitName, list[TextRecord]] = {
        "train": [record(1, "a")],
        "valid": [record(2, "b")],
        "test": [record(3, "c")],
    }

    assert leaks(sides) == ()


def test_a_shared_text_group_and_id_are_each_reported() -> None:
    sides: dict[SplitName, list[TextRecord]] = {
        "train": [record(1, "Same"), record(2, "b", "article"), record(3, "c", "article"), record(9, "x")],
        "valid": [record(4, "same")],
        "test": [record(5, "d", "article"), record(9, "y")],
    }

    assert leaks(sides) == (
        "1 id in both train and test, for example that of s:9",
        "1 text in both train and valid, for example that of s:1",
        "2 groups in both train and test, for example that of s:3",
    )


def test_a_text_with_another_target_leaks_too() -> None:
    sides: dict[SplitName, list[TextRecord]] = {
        "train": [record(1, "cold soup\nsoup")],
        "valid": [],
        "test": [record(2, "Cold soup\nwaiter")],
    }

    assert leaks(sides) == ("1 text in both train and test, for example that of s:1",)
