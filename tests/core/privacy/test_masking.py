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


NUMBERS_IN_PROSE = (
    "The company lost $66 million at this point in 1986, against $54 million a year before.",
    "Sales stood at $1.2 billion at that point in 2009.",
    "The mail reached 40 million letters at this point in 1986.",
    "Output peaked at one point in 1999 and fell by 12%.",
    "Water stays at boiling point in July.",
    "She was employed at a dot com company until 2001.",
    "We froze @ this point in time, 12-3 down.",
    "EUR 12 345 678 was spent between 1986 and 1988.",
    "$66 million in 1986, $54 million in 1987, $41 million in 1988",
    "It sold 1 234 567 copies from 1986 to 1991.",
    "They led 21-17 at this point in 1986, and won 35-31.",
    "The sets went 7-6 6-7 6-4 3-6 10-8.",
    "Final score 112-108 (28-30, 25-22, 31-29, 28-27)",
    "On 25/11/1986, 26/11/1986 and 27.11.1986 it rained.",
    "Open 1986-11-25 to 1986-12-24, 09:00-17:30.",
    "the seasons 1986 1987 1988 and 1991",
    "page 66 1986 1990",
    "the asteroid (99942) 2004 passed by",
    "ISBN 0-306-40615-2 and ISBN-13 9780306406157",
    "My copy, ISBN 978 0 306 40615 7, came torn.",
    "upgrade from 10.0.19041.1 to 10.0.22621.2715",
    "python 3.11.7, numpy 1.26.2, firmware 20231125-1430",
    "Since version 1.2.3.4 it starts, and v 2.0.0.1 is faster.",
    "Section 1.2.3.4 of the manual, see fig. 3.1.2.1",
    "lat 52.5200, lon 13.4050, 1986 Main Street, room 1201",
    "Flight 1234 left at 1430 on 25 November 1986.",
)


@pytest.mark.parametrize("text", NUMBERS_IN_PROSE)
def test_amounts_years_scores_dates_and_versions_stay(text: str) -> None:
    assert mask_pii(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("lost $66 million at this point in 1986, ask joe at point dot in", "ask [email]"),
        ("write to jean at exemple point fr in 1986", "write to [email] in 1986"),
        ("e-mail joe at example dot in, version 1.2.3.4", "e-mail [email], version 1.2.3.4"),
        ("version 1.2.3.4 is served from 192.168.1.20", "is served from [ip]"),
        ("page 66 (030) 2004 1990 is the number", "is the number"),
        ("call 66 1986 1990 tonight", "call [telephone] tonight"),
    ],
)
def test_data_beside_such_numbers_are_masked(text: str, masked: str) -> None:
    assert mask_pii(text)[0].endswith(masked)


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
