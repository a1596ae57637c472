"""Personal data are masked before a text is stored: addresses, telephone, card and account numbers, handles.

A kind is recognized by its form and, where it has them, its check digits; other numbers stay. The text must
be cleaned: in another one an entity such as `&#64;` hides an address.
"""

import ipaddress
from collections.abc import Callable, Iterator

import regex

from pipeline.core.privacy import account_numbers
from pipeline.core.privacy.account_numbers import Span

# Regions of telephone numbers without a country code; numbers with one are found everywhere.
REGIONS = ("US", "GB", "DE", "FR", "IN")
MIN_DIGITS = 7  # of a telephone number; shorter ones are dates, prices and house numbers
MAX_DIGITS = 15  # by the numbering plan of the ITU, E.164
MIN_HEX_DIGITS = 5  # "4::1" is a score with a typo
MAX_CHECKED = 10  # telephone numbers in one text; further candidates are masked unchecked
MAX_CHARACTERS = 20_000  # the rest is masked as a whole, unread
MAX_PASSES = 8  # a text that still changes then is hostile and masked as a whole

HINT = regex.compile(r"[@\d]|::|://")
EMAIL = regex.compile(r"@?[\w.+%-]{1,64}+@(?:[\w-]{1,63}+\.){1,8}+(?:xn--[\w-]{1,59}|\p{L}{2,24})\b")
# With a user before the host, or with a name, a password or a token among the parameters.
ADDRESS = regex.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}+://(?:[^\s/@?#]{1,200}+@[^\s]{1,500}"
    r"|[^\s?]{1,500}+\?(?:[^\s=&]{1,50}+(?:=[^\s&]{0,200})?+&){0,20}"
    r"(?:e-?mail|mail|user(?:name)?|login|(?:access_|id_)?token|api_?key|key|passw(?:or)?d|pwd|session_?(?:id)?"
    r"|sid|auth|phone|tel)=[^\s]{1,500})",
    regex.IGNORECASE,
)
# "@user" and "@anonymous" are placeholders of the sources; "@5pm" is a time.
HANDLE = regex.compile(
    r"(?<![\w@.])@(?!(?:user|anonymous)\b)[^\W\d]\w{1,63}+(?:\.\w{1,63}+){0,3}+(?!@)", regex.IGNORECASE
)
IPV4 = regex.compile(
    r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)"
)
IPV6 = regex.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}+[0-9A-Fa-f]{0,4}(?![\w:])")
DIGITS = regex.compile(r"\d")
# The cheap look of a telephone number, before its digits are checked: groups of digits with separators.
PHONE_LIKE = regex.compile(r"(?<![\w$€£])\+?\(?\d[\d\s().\-/]{5,24}\d(?!\w)")
PLACEHOLDER = "[{}]"
UNREAD = "unread"


def mask_pii(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace personal data by their kind in brackets; return the text and the kinds found, each once.

    Masking the result again changes nothing. Telephone numbers without a country code are read as in REGIONS.
    """
    if not HINT.search(text):
        return text, ()
    kinds: dict[str, None] = {}
    masked, rest = text[:MAX_CHARACTERS], text[MAX_CHARACTERS:]
    # A placeholder can expose another address beside it.
    for _ in range(MAX_PASSES):
        before, masked = masked, _mask_once(masked, kinds)
        if masked == before:
            break
    else:
        masked, rest = "", masked
    if rest:
        kinds[UNREAD] = None
        masked += PLACEHOLDER.format(UNREAD)
    return masked, tuple(kinds)


def _mask_once(text: str, kinds: dict[str, None]) -> str:
    for kind, find_spans in KINDS:
        parts, past = [], 0
        for start, end in sorted(find_spans(text)):
            if start >= past:
                parts += [text[past:start], PLACEHOLDER.format(kind)]
                past = end
        if parts:
            kinds[kind] = None
            text = "".join([*parts, text[past:]])
    return text


def _matches(
    pattern: "regex.Pattern[str]", is_valid: Callable[[str], bool] = lambda _: True
) -> Callable[[str], Iterator[Span]]:
    def spans(text: str) -> Iterator[Span]:
        return ((match.start(), match.end()) for match in pattern.finditer(text) if is_valid(match[0]))

    return spans


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return len(text) - text.count(":") >= MIN_HEX_DIGITS


def _telephones(text: str) -> Iterator[Span]:
    checked = 0
    for match in PHONE_LIKE.finditer(text):
        digits = DIGITS.findall(match[0])
        # A heart "<3333333" has as many equal digits as somebody likes.
        if not MIN_DIGITS <= len(digits) <= MAX_DIGITS or len(set(digits)) == 1:
            continue
        checked += 1
        if checked > MAX_CHECKED:
            yield match.start(), match.end()
        else:
            yield from (
                (match.start() + start, match.start() + end) for start, end in _find_phone_spans(match[0])
            )


def _find_phone_spans(candidate: str) -> list[Span]:
    from phonenumbers import Leniency, PhoneNumberMatcher

    for region in (None,) if candidate.startswith("+") else REGIONS:
        # Without a country code the groups must be those of the region, or a pair of years would match.
        leniency = Leniency.VALID if region is None else Leniency.STRICT_GROUPING
        matches = PhoneNumberMatcher(candidate, region, leniency=leniency)
        if spans := [(match.start, match.end) for match in matches]:
            return spans
    return []


# Kinds that contain others come first: an address may contain an e-mail, an account number a card's digits.
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
