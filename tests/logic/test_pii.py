"""What names a person is masked, and nothing else is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clean.pii import mask
from pipeline.clean.rules import clean

ORDINARY = (
    "It came on 2020-11-25 at 10:30 and broke at once.",
    "4.5/5 stars, would buy again",
    "order 12345 never arrived",
    "I paid $1,234,567.89 for nothing",
    "10/10",
    "call 911",
    "version 3.11.7 of python is 20% faster",
    "meet me @ noon",
    "the score was 3:2 and then 4::1",
    "100 000 000 people watched it",
    "chapter 12, page 345, line 6",
    "1984 and 2001 are both good",
    "between 2019-2020 it was fine",
    "0.000123 percent",
    "ISBN 978-3-16-148410-0",
    "not bad at all",
)


@pytest.mark.parametrize(
    ("text", "masked", "kinds"),
    [
        ("write to Ann.Lee+news@mail.example.org now", "write to [email] now", ("email",)),
        ("call +44 20 7946 0958 please", "call [telephone] please", ("telephone",)),
        ("call (650) 253-0000 please", "call [telephone] please", ("telephone",)),
        ("Ruf 030 227 32152 an", "Ruf [telephone] an", ("telephone",)),
        ("my card 4111 1111 1111 1111 was charged", "my card [card] was charged", ("card",)),
        ("my card 4111 1111 1111 1112 was charged", "my card 4111 1111 1111 1112 was charged", ()),
        ("to DE89 3704 0044 0532 0130 00 at once", "to [iban] at once", ("iban",)),
        ("from 192.168.10.4 again", "from [ip] again", ("ip",)),
        ("from 2001:db8:0:0:0:ff00:42:8329 again", "from [ip] again", ("ip",)),
        ("thanks @jane_doe, great", "thanks [handle], great", ("handle",)),
        ("https://joe:secret@host.example/x is open", "[address] is open", ("address",)),
        ("a@b.example or b@c.example", "[email] or [email]", ("email",)),
    ],
)
def test_what_names_a_person_is_masked(text: str, masked: str, kinds: tuple[str, ...]) -> None:
    assert mask(text) == (masked, kinds)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert mask(text) == (text, ())


PIECES = st.lists(
    st.sampled_from(["a@b.example", "+44 20 7946 0958", "4111111111111111", "@joe", "[email]", " ", "x", "7", "::", ".", "-", "ü"]),
    max_size=12,
)


@given(st.one_of(st.text(max_size=60), PIECES.map("".join)))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once, _ = mask(text)

    assert mask(once)[0] == once


@given(PIECES.map(" ".join))
def test_no_address_is_left(text: str) -> None:
    assert "a@b.example" not in mask(text)[0].split()


def test_cleaning_leaves_a_placeholder_alone() -> None:
    masked = "ask [email] or [telephone]"

    assert clean(masked)[0] == masked


@pytest.mark.parametrize("text", ["1" * 10_000, "@" * 10_000, "a@" * 5_000, "1-" * 5_000, "a.b@" * 2_500, "AB12 " * 2_000, "1:" * 5_000])
def test_a_hostile_text_takes_no_longer_than_a_long_one(text: str) -> None:
    began = time.process_time()
    mask(text)

    assert time.process_time() - began < 0.5


def test_what_lies_beyond_the_reach_is_masked_whole() -> None:
    masked, kinds = mask("1 " * 10_001)

    assert masked.endswith("[unread]")
    assert kinds == ("unread",)
