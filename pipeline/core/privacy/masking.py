"""What names a person is masked before a text is kept: addresses, telephone, card and account numbers, handles.

A kind is known by its form and, where it has one, by its check digits; what merely looks like a number stays.
Text that was cleaned goes in: in another, an entity such as `&#64;` hides what it will be.
"""

import ipaddress
from collections.abc import Callable, Iterator

import regex

from pipeline.core.privacy import account_numbers
from pipeline.core.privacy.account_numbers import Span

# Where people leave out the country, it is one of these; a number with its country code is found anyway.
REGIONS = ("US", "GB", "DE", "FR", "IN")
LEAST_DIGITS = 7  # of a telephone number; shorter ones are dates, prices and house numbers
MOST_DIGITS = 15  # by the numbering plan of the ITU, E.164
LEAST_HEX = 5  # "4::1" is a score with a slip of the finger
LOOKED_AT = 10  # telephone numbers are checked in one text; more are a list, masked as it is
MOST_CHARACTERS = 20_000  # what comes after is masked whole, since nobody has looked at it
MAX_PASSES = 8  # a text that still changes then was made to be a nuisance, and is masked whole

HINT = regex.compile(r"[@\d]|::|://")
EMAIL = regex.compile(r"@?[\w.+%-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}+(?:xn--[\w-]{1,59}|\p{L}{2,24})\b")
# With a person before the host, or with a name, a password or a token among the parameters.
ADDRESS = regex.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}+://(?:[^\s/@?#]{1,200}+@[^\s]{1,500}"
    r"|[^\s?]{1,500}+\?(?:[^\s=&]{1,50}+(?:=[^\s&]{0,200})?+&){0,20}"
    r"(?:e-?mail|mail|user(?:name)?|login|(?:access_|id_)?token|api_?key|key|passw(?:or)?d|pwd|session_?(?:id)?|sid|auth|phone|tel)=[^\s]{1,500})",
    regex.IGNORECASE,
)
# "@user" and "@anonymous" are what the sources put in place of a handle; "@5pm" is a time.
HANDLE = regex.compile(
    r"(?<![\w@.])@(?!(?:user|anonymous)\b)[^\W\d]\w{1,63}+(?:\.\w{1,63}+){0,3}+(?!@)", regex.IGNORECASE
)
IPV4 = regex.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)"
)
IPV6 = regex.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}+[0-9A-Fa-f]{0,4}(?![\w:])")
DIGITS = regex.compile(r"\d")
# A telephone number by its look, before anything heavy is asked: digits in groups, with marks people put between them.
CALLABLE = regex.compile(r"(?<![\w$€£])\+?\(?\d[\d\s().\-/]{5,24}\d(?!\w)")
PLACEHOLDER = "[{}]"
UNREAD = "unread"


def mask_pii(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace what names a person by the name of its kind in brackets; give the text with the kinds found, each once.

    Masking twice changes nothing more. Telephone numbers without a country code are looked for as in REGIONS.
    """
    if not HINT.search(text):
        return text, ()
    found: dict[str, None] = {}
    kept, rest = text[:MOST_CHARACTERS], text[MOST_CHARACTERS:]
    # A placeholder can bare another address beside it.
    for _ in range(MAX_PASSES):
        before, kept = kept, _once(kept, found)
        if kept == before:
            break
    else:
        kept, rest = "", kept
    if rest:
        found[UNREAD] = None
        kept += PLACEHOLDER.format(UNREAD)
    return kept, tuple(found)


def _once(text: str, found: dict[str, None]) -> str:
    for kind, spans in KINDS:
        parts, past = [], 0
        for start, end in sorted(spans(text)):
            if start >= past:
                parts += [text[past:start], PLACEHOLDER.format(kind)]
                past = end
        if parts:
            found[kind] = None
            text = "".join([*parts, text[past:]])
    return text


def _matches(
    pattern: "regex.Pattern[str]", holds: Callable[[str], bool] = lambda _: True
) -> Callable[[str], Iterator[Span]]:
    def spans(text: str) -> Iterator[Span]:
        return ((match.start(), match.end()) for match in pattern.finditer(text) if holds(match[0]))

    return spans


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return len(text) - text.count(":") >= LEAST_HEX


def _telephones(text: str) -> Iterator[Span]:
    looked_at = 0
    for match in CALLABLE.finditer(text):
        digits = DIGITS.findall(match[0])
        # A heart "<3333333" has as many digits as its friend is dear.
        if not LEAST_DIGITS <= len(digits) <= MOST_DIGITS or len(set(digits)) == 1:
            continue
        looked_at += 1
        if looked_at > LOOKED_AT:
            yield match.start(), match.end()
        else:
            yield from ((match.start() + start, match.start() + end) for start, end in _called(match[0]))


def _called(part: str) -> list[Span]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in (None,) if part.startswith("+") else REGIONS:
        # Without its country a number must be grouped as that country groups its numbers: else a pair of years is one.
        leniency = Leniency.VALID if region is None else Leniency.STRICT_GROUPING
        if found := [
            (match.start, match.end) for match in PhoneNumberMatcher(part, region, leniency=leniency)
        ]:
            return found
    return []


# What holds another stands first: an address with a password holds an e-mail, an account number the digits of a card.
KINDS: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    ("address", _matches(ADDRESS)),
    ("email", _matches(EMAIL)),
    ("iban", account_numbers.find_ibans),
    ("account", account_numbers.find_personal_numbers),
    ("ip", _matches(IPV4)),
    ("ip", _matches(IPV6, _is_ipv6)),
    ("card", account_numbers.find_cards),
    ("telephone", _telephones),
    ("handle", _matches(HANDLE)),
)
