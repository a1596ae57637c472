"""Every text that cannot be used has one reason."""

import pytest
from cleaning import ALL_MAY_BE_LOST
from text_records import text_record

from pipeline.base.config import CleanConfig
from pipeline.base.records import TextRecord
from pipeline.core.clean.faults import UsableTexts, find_fault, find_text_fault

CFG = CleanConfig(min_words=2, max_words=5, mask=True, max_loss=ALL_MAY_BE_LOST)
LABELS = ("bad", "good")


def record(text: str, label: str = "good") -> TextRecord:
    return text_record(1, text=text, label=label)


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("two words", "good", None),
        ("now these are five words", "bad", None),
        ("", "good", "no text"),
        ("", "", "no text"),
        ("two words", "", "no label"),
        ("two words", "GOOD", "unknown label"),
        ("one", "good", "too short"),
        ("now these are six words, really", "good", "too long"),
    ],
)
def test_the_first_fault_of_a_text_is_named(text: str, label: str, reason: str | None) -> None:
    assert find_fault(record(text, label), CFG, LABELS) == reason


def test_a_giant_piece_without_a_space_is_too_long() -> None:
    assert find_fault(record("x" * 1_000_000), CFG, LABELS) == "too long"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("two words\nsoup", None),
        ("two words", "no target"),
        ("two words\nNULL", "no target"),
        ("\nsoup", "no text"),
        # The words of the target are none of the text.
        ("one\nthe soup", "too short"),
    ],
)
def test_a_text_without_its_target_cannot_be_used(text: str, reason: str | None) -> None:
    assert find_text_fault(text, "good", "", cfg=CFG, labels=LABELS, task="aspect") == reason


def test_copies_of_a_text_with_other_answers_are_none_where_they_are_written() -> None:
    written, labelled = (UsableTexts(CFG, frozenset(), task) for task in ("generation", "single_label"))

    assert written.compared("a film", "it was good") != written.compared("a film", "it was fine")
    assert labelled.compared("a film", "good") == labelled.compared("a film", "bad")
    assert written.fault("one long film", "it was good", "") is None
