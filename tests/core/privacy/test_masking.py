"""What names a person is masked, and nothing else is."""

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.clean.rules import clean_text
from pipeline.core.privacy.folding import fold_character
from pipeline.core.privacy.masking import HINT, KINDS, UNREAD, mask_pii

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
    "2020-11-25",
    "$1,234,567.89",
    "I <3333333333 this so much",
    "thanks @anonymous and @user, meet @5pm",
    "std::string is a::b to me",
    "seats 12A 12B 12C, row 7",
    "size 38-40, colour #336699",
    "12 34 56 78 90, the lottery numbers",
    "it weighs 1234567890123 atoms",
    "open 9-17, Mo-Fr, from 01.02.2021 to 03.04.2022",
    "part AB12 CD34 of 8 GB",
    "https://shop.example/item/12345?page=2&sort=price",
    "born in 1980, died 2 95 years later",
    "x = 0.4111111111111111",
    "it has 4000 1234 5678 9010 pixels",
    "the first 3 of 14 episodes, S01E02 and S01E03",
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
        ("2️⃣1️⃣2️⃣5️⃣5️⃣5️⃣1️⃣2️⃣3️⃣4️⃣ ok", "[telephone] ok", ("telephone",)),
        ("Größe ４１１１ １１１１ １１１１ １１１１ – naïve", "Größe [card] – naïve", ("card",)),
        ("my card 4111 1111 1111 1111 12/27 123", "my card [card] 12/27 123", ("card",)),
        ("cards 4111111111111111 5555555555554444", "cards [card] [card]", ("card",)),
        ("pay be68 5390 0754 7034 then call", "pay [iban] then call", ("iban",)),
        ("BE68539007547034.", "[iban].", ("iban",)),
        ("from 2001:db8::ff00:42:8329 again", "from [ip] again", ("ip",)),
        ("thanks @jane.doe.", "thanks [handle].", ("handle",)),
        ("ask @joe@social.example", "ask [email]", ("email",)),
        ("joe@xn--bcher-kva.xn--p1ai", "[email]", ("email",)),
        ("ftp://joe@host/x is open", "[address] is open", ("address",)),
        ("https://x.example/?a=1&token=abcdef#top is mine", "[address] is mine", ("address",)),
        ("ssn 123-45-6789", "ssn [account]", ("account",)),
        ("ssn 000-45-6789", "ssn 000-45-6789", ()),
        ("cpf 390.533.447-05", "cpf [account]", ("account",)),
        ("CF RSSMRA85T10A562S", "CF [account]", ("account",)),
        ("nir 2 95 10 99 126 111 93", "nir [account]", ("account",)),
        ("nino AB 12 34 56 C", "nino [account]", ("account",)),
        ("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "[account]", ("account",)),
        ("0x52908400098527886E0F7030069857D2E4169EE7", "[account]", ("account",)),
        (
            "mine: joe@x.example, +49 30 22732152, @joe",
            "mine: [email], [telephone], [handle]",
            ("email", "telephone", "handle"),
        ),
    ],
)
def test_personal_data_are_masked(text: str, masked: str, kinds: tuple[str, ...]) -> None:
    assert mask_pii(text) == (masked, kinds)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert mask_pii(text) == (text, ())


PIECES = st.lists(
    st.sampled_from(
        [
            "a@b.example",
            "+44 20 7946 0958",
            "4111111111111111",
            "@joe",
            "joe (at) x dot org",
            "212-555-1234",
            "DE89 3704 0044 0532 0130 00",
            "2020-11-25",
            "٤",
            "(0)",
            "+",
            "\u200b",
            "[email]",
            " ",
            "x",
            "7",
            "::",
            ".",
            "-",
            "ü",
        ]
    ),
    max_size=12,
)


@given(st.one_of(st.text(max_size=60), PIECES.map("".join)))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once, _ = mask_pii(text)

    assert mask_pii(once)[0] == once


@given(PIECES.map(" ".join))
def test_no_separate_address_is_left(text: str) -> None:
    assert "a@b.example" not in mask_pii(text)[0].split()


@given(
    st.text(max_size=20), st.sampled_from(["", " ", ",", "(", "<", "joe ", "x" * 70]), st.text(max_size=20)
)
def test_no_address_is_left_whatever_surrounds_it(before: str, join: str, after: str) -> None:
    masked, _ = mask_pii(f"{before} {join}ann.lee@mail.example.org {after}")

    assert "lee@mail" not in masked


SPELLINGS = {
    "joe.smith@mail.example.org": "[email]",
    "+49 30 22732152": "[telephone]",
    "(650) 253-0000": "[telephone]",
    "DE89 3704 0044 0532 0130 00": "[iban]",
    "4111 1111 1111 1111": "[card]",
}
DASHES, BLANKS, INVISIBLE = (
    "-\u2010\u2011\u2012\u2013\u2212\uff0d",
    " \u00a0\u2007\u2009\u202f\u3000",
    "\u200b\u200d\u2060\ufeff",
)


@st.composite
def spelled_otherwise(draw: st.DrawFn) -> tuple[str, str]:
    """Draw one of SPELLINGS in wide characters, other dashes and blanks, and invisible characters inside."""
    source = draw(st.sampled_from(sorted(SPELLINGS)))
    written = []
    for character in source:
        alike = {"-": DASHES, " ": BLANKS}.get(character) or character + chr(ord(character) + 0xFEE0)
        written.append(draw(st.sampled_from(alike)) + draw(st.text(st.sampled_from(INVISIBLE), max_size=1)))
    return "".join(written), SPELLINGS[source]


@given(spelled_otherwise(), st.sampled_from(["{}", "so {} it is", "(ask {})", "«{}»", "{}, or not"]))
def test_a_datum_is_masked_in_every_spelling(spelled: tuple[str, str], frame: str) -> None:
    written, placeholder = spelled

    assert mask_pii(frame.format(written))[0] == frame.format(placeholder)


@given(
    st.text(
        st.characters(blacklist_characters="@＠﹫", blacklist_categories=("Nd", "No", "Nl", "Cs")),
        max_size=40,
    )
)
def test_characters_around_a_datum_stay_as_they_are(around: str) -> None:
    masked, kinds = mask_pii(f"{around} | joe@x.example | {around}")

    assert masked == f"{around} | [email] | {around}"
    assert kinds == ("email",)


def test_cleaning_keeps_every_placeholder() -> None:
    masked = "ask " + " ".join(f"[{kind}]" for kind in [*(kind for kind, _ in KINDS), UNREAD])

    assert clean_text(masked) == (masked, ())
    assert mask_pii(masked) == (masked, ())


def test_a_text_with_neither_digit_nor_at_costs_nearly_nothing() -> None:
    began = time.process_time()
    for _ in range(20_000):
        mask_pii("this is not bad at all, I would watch it again")

    assert time.process_time() - began < 1


def test_every_character_that_reads_as_a_digit_or_a_sign_is_a_hint() -> None:
    signs = [
        chr(code) for code in range(sys.maxunicode + 1) if fold_character(chr(code)) in tuple("0123456789@:/")
    ]

    assert len(signs) > 700
    assert [sign for sign in signs if not HINT.search(sign)] == []


def test_text_beyond_the_limit_is_masked_as_a_whole() -> None:
    masked, kinds = mask_pii("room 1, " * 2_501)

    assert masked.endswith("[unread]")
    assert kinds == ("unread",)
