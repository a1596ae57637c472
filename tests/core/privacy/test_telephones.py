"""Where telephone numbers begin and end, and what evidence they need."""

import pytest

from pipeline.core.privacy.masking import mask_pii


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # Beside each other, and beside other numbers.
        ("2125551234 2125551235", "[telephone] [telephone]"),
        ("212 555 1234 212 555 1235", "[telephone] [telephone]"),
        ("06 12 34 56 78 06 98 76 54 32", "[telephone] [telephone]"),
        ("+1 555 123 4567 +1 555 123 4568", "[telephone] [telephone]"),
        ("2125551234/2125551235", "[telephone]/[telephone]"),
        ("212-555-1234, 212-555-1235", "[telephone], [telephone]"),
        ("212555123421255512352125551236", "[telephone]"),
        ("2125551234 2020-11-25", "[telephone] 2020-11-25"),
        ("212-555-1234 25.11.2020 10:30", "[telephone] 25.11.2020 10:30"),
        ("25/11/2020 212-555-1234", "25/11/2020 [telephone]"),
        ("212 555 1234 5 stars", "[telephone] 5 stars"),
        ("since 1980 212 555 1234", "since 1980 [telephone]"),
        # Prefixes, extensions and schemes.
        ("+44 (0)20 7946 0958", "[telephone]"),
        ("(+49) 30 22732152", "[telephone]"),
        ("+ 49 30 22732152", "[telephone]"),
        ("0044 20 7946 0958", "[telephone]"),
        ("011 44 20 7946 0958", "[telephone]"),
        ("1 (212) 555-1234", "[telephone]"),
        ("8 (912) 345-67-89", "[telephone]"),
        ("tel:2125551234", "tel:[telephone]"),
        ("tel:+1-212-555-1234;ext=5", "tel:[telephone]"),
        ("212-555-1234 x123 now", "[telephone] now"),
        ("212-555-1234 ext. 45", "[telephone]"),
        ("tel2125551234", "tel[telephone]"),
        # Separators and scripts.
        ("212‑555‑1234", "[telephone]"),
        ("212.555.1234.", "[telephone]."),
        ("212_555_1234", "[telephone]"),
        ("0170/1234567", "[telephone]"),
        ("06.12.34.56.78", "[telephone]"),
        ("2 1 2 5 5 5 1 2 3 4", "[telephone]"),
        ("٢١٢٥٥٥١٢٣٤", "[telephone]"),
        ("电话13800138000谢谢", "电话[telephone]谢谢"),
        ("010-1234-5678로 전화", "[telephone]로 전화"),
        ("(2125551234)", "([telephone])"),
        # A number that nobody has, in a form that nothing else has.
        ("123-456-7890", "[telephone]"),
        ("(555) 123-4567", "[telephone]"),
        ("+1 555 123 4567", "[telephone]"),
        # A word that speaks of it.
        ("call 555-1234", "call [telephone]"),
        ("WhatsApp 8123 4567", "WhatsApp [telephone]"),
        ("meine Nummer: 49 30 22732152", "meine Nummer: [telephone]"),
    ],
)
def test_telephone_numbers_are_masked(text: str, masked: str) -> None:
    assert mask_pii(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 2125551234 never came",
        "ticket #2125551234",
        "$2125551234",
        "2125551234 views",
        "2125551234%",
        "x2125551234",
        "+500 000 000",
        "1999-2005, 2019/2020, 0900-1700",
        "8123 4567 of them",
        "the draw was 03 11 18 27 33 41",
        "1 2 3 4 5 6 7 8 9 10",
        "10 9 8 7 6 5 4 3 2 1",
        "at 1497619730 it began",
        "978-3-16-148410-0",
        "(1) (2) (3) (4) (5) (6) (7)",
        "[1][2][3] [4] [5] [6] [7]",
        "12.11.2020 and 11/12/2020",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert mask_pii(text) == (text, ())


def test_after_the_last_reading_every_candidate_is_masked_unread() -> None:
    masked, kinds = mask_pii(", ".join(f"{number} views" for number in range(10_000_000, 10_000_200)))

    assert kinds == ("telephone",)
    assert masked.startswith("10000000 views, 10000001 views")
    assert masked.endswith("[telephone] views, [telephone] views")
