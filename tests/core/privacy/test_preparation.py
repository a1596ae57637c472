"""A text is prepared once: doing it again changes nothing, and an earlier release reads as it learnt."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.privacy.preparation import (
    EARLIER,
    MASKED,
    MASKED_TARGETS,
    PLAIN,
    preparation,
    preparation_named,
)

PIECES = st.lists(
    st.sampled_from(
        ["a@b.org", " ", "@joe_k", "+44 20 7946 0312", "[", "]", "<b>", "&lt;", "\\u0040", "\\", "b'", "'",
         "http://", "x.org/", "\u200b", "aaaaa", "4000 0012 3456 7899", "192.0.2.17", "(at)", "dot", "Ã©",
         "!!!!!", "www."]
    ),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=40), PIECES), st.sampled_from([EARLIER, PLAIN, MASKED, MASKED_TARGETS]))
def test_preparing_twice_changes_nothing_more(text: str, prepare: object) -> None:
    assert callable(prepare)
    once = prepare(text)

    assert prepare(once) == once


@pytest.mark.parametrize(
    ("prepare", "prepared"),
    [
        (EARLIER, "soooooo good, see http://x.org/a and write a@b.org"),
        (PLAIN, "sooo good, see [link] and write a@b.org"),
        (MASKED, "sooo good, see [link] and write [email]"),
    ],
)
def test_each_preparation_reads_a_text_in_its_way(prepare: object, prepared: str) -> None:
    assert callable(prepare)
    assert prepare("soooooo <b>good</b>, see http://x.org/a and write a&#64;b.org") == prepared


def test_what_is_masked_and_changed_is_named() -> None:
    assert MASKED.apply("b'ask @kite_27'") == ("ask [handle]", ("bytes",), ("handle",))


def test_a_preparation_is_found_by_its_name() -> None:
    assert preparation_named(preparation(mask=True).name) == MASKED
    assert preparation_named("") == preparation_named("1") == EARLIER
    with pytest.raises(ValueError, match="does not know the preparation '9'"):
        preparation_named("9")


def test_text_and_target_are_prepared_each_by_itself() -> None:
    prepare = preparation(mask=True, targets=True)

    assert prepare("<p>call  a@b.org\n <b>the  soup</b> ") == "call [email]\nthe soup"
    # Digits at the end of a text and those of its target are no telephone number together.
    assert prepare("room 030 227\n32152 0815") == "room 030 227\n32152 0815"
    assert prepare("the soup\n \u200b") == "the soup"
    assert preparation(mask=True)("two\nlines") == "two lines"
    assert preparation_named("2-masked-targets") is prepare


def test_what_changes_a_target_is_named_too() -> None:
    _, rules, kinds = preparation(mask=True, targets=True).apply("<b>good</b>\nwrite a@b.org")

    assert (rules, kinds) == (("html",), ("email",))
