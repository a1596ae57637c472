"""What names a person is masked before a text is kept: addresses, telephone, card and account numbers, handles.

A kind is known by its form and, where it has one, by its check digits; what merely looks like a number stays.
"""

from collections.abc import Callable, Iterator

import regex

# Where people leave out the country, it is one of these; a number with its country code is found anyway.
REGIONS = ("US", "GB", "DE", "FR", "IN")
LEAST_DIGITS = 7  # of a telephone number; shorter ones are dates, prices and house numbers
MOST_DIGITS = 15  # by the numbering plan of the ITU, E.164
LEAST_HEX = 5
MOST_CHARACTERS = 20_000  # what comes after is masked whole, since nobody has looked at it

EMAIL = regex.compile(r"(?<![\w.+-])[\w.+%-]{1,64}+@(?:[\w-]{1,63}\.){1,8}\p{L}{2,24}\b")
ADDRESS = regex.compile(r"\bhttps?://[^\s/@:]{1,100}:[^\s/@]{1,100}@\S{1,500}", regex.IGNORECASE)
HANDLE = regex.compile(r"(?<![\w@.])@\w{2,30}\b(?![.@]\w)")
IPV4 = regex.compile(r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)")
IPV6 = regex.compile(
    r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}(?![\w:])"
)
IBAN = regex.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
CARD = regex.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
DIGITS = regex.compile(r"\d")
# A telephone number by its look, before anything heavy is asked: digits in groups, with marks people put between them.
CALLABLE = regex.compile(r"(?<![\w$€£])\+?\(?\d[\d\s().\-/]{5,24}\d(?!\w)")
PLACEHOLDER = "[{}]"


def mask(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace what names a person by the name of its kind in brackets; give the text with the kinds found, each once.

    Masking twice changes nothing more. Telephone numbers without a country code are looked for as in REGIONS.
    """
    if "@" not in text and "::" not in text and not DIGITS.search(text):
        return text, ()
    found: dict[str, None] = {}
    before, kept, rest = "", text[:MOST_CHARACTERS], text[MOST_CHARACTERS:]
    # A placeholder can bare another address beside it. Each pass leaves fewer "@", colons and digits, so there is a last one.
    while kept != before:
        before = kept
        for kind, spans in KINDS:
            for start, end in reversed(list(spans(kept))):
                found[kind] = None
                kept = kept[:start] + PLACEHOLDER.format(kind) + kept[end:]
    if rest:
        found["unread"] = None
        kept += PLACEHOLDER.format("unread")
    return kept, tuple(found)


def _matches(pattern: "regex.Pattern[str]", holds: Callable[[str], bool] = lambda _: True) -> Callable[[str], Iterator[tuple[int, int]]]:
    def spans(text: str) -> Iterator[tuple[int, int]]:
        return ((match.start(), match.end()) for match in pattern.finditer(text) if holds(match[0]))

    return spans


def _is_iban(text: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(text, check_country=False))


def _is_card(text: str) -> bool:
    from stdnum import luhn

    digits = "".join(DIGITS.findall(text))
    # Every network's numbers begin with 2 to 6; a row of one digit is nobody's.
    return digits[0] in "23456" and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _is_ipv6(text: str) -> bool:
    # "4::1" is a score with a slip of the finger.
    return len(text) - text.count(":") >= LEAST_HEX


def _telephones(text: str) -> Iterator[tuple[int, int]]:
    for match in CALLABLE.finditer(text):
        digits = len(DIGITS.findall(match[0]))
        if LEAST_DIGITS <= digits <= MOST_DIGITS:
            yield from ((match.start() + start, match.start() + end) for start, end in _called(match[0]))


def _called(part: str) -> list[tuple[int, int]]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in (None,) if part.startswith("+") else REGIONS:
        # Without its country a number must be grouped as that country groups its numbers: else a pair of years is one.
        leniency = Leniency.VALID if region is None else Leniency.STRICT_GROUPING
        if found := [(match.start, match.end) for match in PhoneNumberMatcher(part, region, leniency=leniency)]:
            return found
    return []


# What holds another stands first: an address with a password holds an e-mail, an account number the digits of a card.
KINDS: tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    ("address", _matches(ADDRESS)),
    ("email", _matches(EMAIL)),
    ("iban", _matches(IBAN, _is_iban)),
    ("ip", _matches(IPV4)),
    ("ip", _matches(IPV6, _is_ipv6)),
    ("card", _matches(CARD, _is_card)),
    ("telephone", _telephones),
    ("handle", _matches(HANDLE)),
)
