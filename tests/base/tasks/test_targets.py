"""A text with its target is one string of two lines, and comes apart again."""

import pytest

from pipeline.base.tasks.targets import by_part, reads_targets, split_target, with_target, without_target


@pytest.mark.parametrize(
    ("text", "target", "whole"),
    [
        ("the soup was cold", "soup", "the soup was cold\nsoup"),
        ("line one\nline two", "two\nwords", "line one line two\ntwo words"),
        ("the soup was cold", "  ", "the soup was cold"),
        ("", "soup", "\nsoup"),
    ],
)
def test_a_text_and_its_target_are_two_lines(text: str, target: str, whole: str) -> None:
    assert with_target(text, target) == whole


def test_two_lines_come_apart_and_one_line_has_no_target() -> None:
    assert split_target("the soup was cold\nsoup") == ("the soup was cold", "soup")
    assert split_target("the soup was cold") == ("the soup was cold", "")
    assert without_target("the soup was cold\nsoup") == "the soup was cold"


def test_each_part_is_changed_by_itself() -> None:
    assert by_part(lambda part: part[::-1], "abc\ndef") == "cba\nfed"
    assert by_part(lambda part: part[::-1], "abc") == "cba"


def test_only_the_aspect_task_reads_targets() -> None:
    assert reads_targets("aspect")
    assert not any(map(reads_targets, ("single_label", "ordinal", "multi_label", "token_labels")))
