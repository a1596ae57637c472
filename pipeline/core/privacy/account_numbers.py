"""Account numbers in a text: cards, IBANs and personal numbers, recognized by form and check digits."""

import importlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import regex

Span = tuple[int, int]

# The prefixes and lengths of each network; by check digit alone every tenth long number is a card (Luhn,
# 1960).
NETWORKS = regex.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d|62\d\d|3528|3529|35[3-8]\d)\d{12,15}|3(?:0[0-5]|[68]\d)\d{11}|(?:50|5[6-9]|6\d)\d{14,17}"
)
LONG = regex.compile(r"\d(?:[\s-]?\d){12}")
GROUP = regex.compile(r"\d+")
BEFORE, BETWEEN, AFTER = regex.compile(r"[\w.,]"), regex.compile(r"[\s-]"), regex.compile(r"\w|[.,]\d")
FIRST_GROUP = 4  # digits that begin a card's number unseparated, however the rest is grouped
CARD = range(13, 20)  # digits of a card's number

IBAN = regex.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[\s-]?[A-Z0-9]){11,30}", regex.IGNORECASE)
PARTS = regex.compile(r"\d+")

# Only distinctive forms, each with the module of python-stdnum that verifies its check digits.
NUMBERS: tuple[tuple["regex.Pattern[str]", str], ...] = (
    (regex.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), "us.ssn"),
    (regex.compile(r"(?<![\w.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)"), "br.cpf"),
    (regex.compile(r"(?<![\w.])756\.\d{4}\.\d{4}\.\d{2}(?!\w)"), "ch.ssn"),
    (regex.compile(r"\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b", regex.IGNORECASE), "it.codicefiscale"),
    (regex.compile(r"\b[A-Z]{4}\d{6}[A-Z]{6}[A-Z0-9]\d\b", regex.IGNORECASE), "mx.curp"),
    (regex.compile(r"(?<![\w.,])[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\w|[.,]\d)"), "fr.nir"),
    (regex.compile(r"\b\d{6}[-+A]\d{3}[0-9A-Y]\b"), "fi.hetu"),
    (regex.compile(r"\b(?:bc1[a-z0-9]{25,59}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b"), "bitcoin"),
)
# Distinctive without check digits: an Ethereum wallet, and a British national insurance number.
WALLET = regex.compile(r"(?<!\w)0x[0-9A-Fa-f]{40}(?!\w)")
INSURANCE = regex.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?<!BG|GB|NK|KN|TN|NT|ZZ)(?: ?\d){6} ?[A-D](?!\w)",
)


def find_cards(text: str) -> Iterator[Span]:
    """Yield the spans of payment card numbers; other digits may surround them, such as an expiry."""
    if not LONG.search(text):
        return
    groups = [group.span() for group in GROUP.finditer(text)]
    past = 0
    for first, (start, end) in enumerate(groups):
        if start >= past and end - start >= FIRST_GROUP and not BEFORE.match(text, max(start - 1, 0), start):
            ends = [
                last
                for last, digits in _joined_digits(text, groups, first)
                if _is_card(digits) and not AFTER.match(text, last)
            ]
            if ends:
                past = ends[-1]
                yield start, past


def find_ibans(text: str) -> Iterator[Span]:
    """Yield start and end of each IBAN, without a following word that looks like one more group."""
    for match in IBAN.finditer(text, overlapped=True):
        signs = [at for at in range(*match.span()) if text[at].isalnum()]
        length = _iban_length(match[0][:2].upper())
        if length and length <= len(signs):
            end = signs[length - 1] + 1
            if not (end < len(text) and text[end].isalnum()) and _is_iban(
                "".join(text[at] for at in signs[:length])
            ):
                yield match.start(), end


def find_personal_numbers(text: str) -> Iterator[Span]:
    """Yield the spans of other numbers of one person or one wallet."""
    yield from (match.span() for form in (WALLET, INSURANCE) for match in form.finditer(text))
    for pattern, module in NUMBERS:
        yield from (match.span() for match in pattern.finditer(text) if _is_valid(module, match[0]))


def _joined_digits(text: str, groups: Sequence[Span], first: int) -> Iterator[tuple[int, str]]:
    digits = ""
    for number in range(first, len(groups)):
        start, end = groups[number]
        if number > first and not (start - groups[number - 1][1] == 1 and BETWEEN.match(text, start - 1)):
            return
        digits += text[start : min(end, start + CARD.stop)]
        if len(digits) >= CARD.stop:
            return
        yield end, digits


def _is_card(digits: str) -> bool:
    if len(digits) not in CARD or not NETWORKS.fullmatch(digits) or len(set(digits)) == 1:
        return False
    return _is_valid("luhn", digits)


@lru_cache(maxsize=1000)
def _iban_length(country: str) -> int:
    """Return the number of characters of a country's IBANs, 0 where it has none."""
    from stdnum import numdb

    ((_, fields),) = numdb.get("iban").info(country)[:1]
    return 4 + sum(int(part) for part in PARTS.findall(fields["bban"])) if fields else 0


def _is_iban(compact: str) -> bool:
    if not compact.isascii():
        return False
    # The remainder first (ISO 7064): it is quick and excludes nearly everything.
    rotated = compact[4:] + compact[:4]
    return int("".join(str(int(sign, 36)) for sign in rotated)) % 97 == 1 and _is_valid(
        "iban", compact, check_country=False
    )


def _is_valid(module: str, number: str, **options: bool) -> bool:
    return bool(importlib.import_module(f"stdnum.{module}").is_valid(number, **options))
