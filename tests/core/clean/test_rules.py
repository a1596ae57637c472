"""Cleaning takes away what machines left in a text and nothing that a person meant."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.clean.rules import RULES, _is_plain, clean_text

HOSTILE = st.text(
    st.sampled_from("<>&;/!-\"'= abpi3#amplt\u200b\u200d\ufe0f\u202e\x00\x85\u0301\u0338éÃ©â€™❤👩\ufeff"),
    max_size=60,
)
PIECES = st.lists(
    st.sampled_from(
        [
            "<b>",
            "</b>",
            "<",
            "&amp;",
            "&lt;",
            "amp;",
            "b>",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            " <p",
            "x=1>",
            "lt;",
            "&#60;",
            "é",
        ]
    ),
    max_size=25,
).map("".join)


@pytest.mark.parametrize(
    ("dirty", "plain", "changed"),
    [
        ("It is not bad, it is GREAT :-)", "It is not bad, it is GREAT :-)", ()),
        ("I <3 you", "I <3 you", ()),
        ("a < b and c > d", "a < b and c > d", ()),
        ("a <b and c", "a <b and c", ()),
        ("3 <a and b> 2", "3 <a and b> 2", ()),
        ("<grin> nice <sarcasm>", "<grin> nice <sarcasm>", ()),
        ("R&D at AT&T &c", "R&D at AT&T &c", ()),
        ("S&amp;M", "S&M", ("entities",)),
        ("I &amp;lt;3 it", "I <3 it", ("entities",)),
        ("&lt;b&gt;bold&lt;/b&gt;", "bold", ("entities", "html")),
        ("<p>one</p><p>two<br/>three</p>", "one two three", ("html", "spaces")),
        ("<b>un</b>real", "unreal", ("html",)),
        ("<a href='x>y' title=\"don't\">so</a>", "so", ("html",)),
        ("x<script>alert('<b>')</script>y", "x y", ("html",)),
        ("do <script> not stop", "do not stop", ("html", "spaces")),
        ("<<b>b>x", "x", ("html",)),
        ("It’s â€œfineâ€\x9d", "It’s “fine”", ("mojibake",)),
        ("cafe\u0301", "café", ("unicode",)),
        ("e\u200b\u0301", "é", ("controls", "unicode")),
        ("a\x00b\u202ec\ufeff", "abc", ("controls",)),
        ("  a\t\nb\u00a0\u3000c  ", "a b c", ("spaces",)),
        ("\u3164\u2800", "", ("spaces",)),
    ],
)
def test_a_text_is_cleaned_and_the_applied_rules_are_named(
    dirty: str, plain: str, changed: tuple[str, ...]
) -> None:
    assert clean_text(dirty) == (plain, changed)


@pytest.mark.parametrize("emoji", ["👩‍👩‍👧", "❤️", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈", "☺︎", "👩🏽‍🚀"])
def test_an_emoji_stays_in_one_piece(emoji: str) -> None:
    assert clean_text(f"so {emoji} it is") == (f"so {emoji} it is", ())


@pytest.mark.parametrize("word", ["می‌خواهم", "क्‍ष"])
def test_a_joiner_stays_in_scripts_that_spell_with_it(word: str) -> None:
    assert clean_text(word) == (word, ())


@given(st.one_of(st.text(max_size=60), HOSTILE, PIECES))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once, _ = clean_text(text)

    assert clean_text(once) == (once, ())


@given(st.one_of(st.text(st.characters(codec="ascii"), max_size=40), PIECES))
def test_the_fast_path_skips_only_texts_that_no_rule_changes(text: str) -> None:
    if _is_plain(text):
        assert [rule(text) for _, rule in RULES] == [text] * len(RULES)


@given(
    st.text(
        st.characters(codec="ascii", exclude_characters="<&", categories=["L", "N", "P", "S"]), min_size=1
    )
)
def test_plain_ascii_passes_untouched(text: str) -> None:
    assert clean_text(text) == (text, ())


@pytest.mark.parametrize(
    "text", ["<" * 100_000 + "b>" * 100_000, "&" + "amp;" * 250_000, '<b a="' * 50_000, "x" * 1_000_000]
)
def test_a_hostile_text_is_cleaned_in_time(text: str) -> None:
    start = time.process_time()

    clean_text(text)

    assert time.process_time() - start < 5


def test_rules_have_distinct_names() -> None:
    names = [name for name, _ in RULES]

    assert sorted(set(names)) == sorted(names)
    assert names[:2] == ["bytes", "escapes"]
