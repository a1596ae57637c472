"""Account numbers in a text: cards, IBANs and numbers of persons, each known by its form and by its check digits."""

import importlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import regex

Span = tuple[int, int]

# What each network gives out, by first digits and length: else every tenth long number would pass for a card (Luhn, 1960).
NETWORKS = regex.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d|62\d\d|3528|3529|35[3-8]\d)\d{12,15}|3(?:0[0-5]|[68]\d)\d{11}|(?:50|5[6-9]|6\d)\d{14,17}"
)
LONG = regex.compile(r"\d(?:[\s-]?\d){12}")
GROUP = regex.compile(r"\d+")
BEFORE, BETWEEN, AFTER = regex.compile(r"[\w.,]"), regex.compile(r"[\s-]"), regex.compile(r"\w|[.,]\d")
FIRST_GROUP = 4  # digits are together at the beginning of a card's number, however the rest is grouped
CARD = range(13, 20)  # digits

IBAN = regex.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[\s-]?[A-Z0-9]){11,30}", regex.IGNORECASE)
PARTS = regex.compile(r"\d+")

# Only forms that nothing else has, each with the module of python-stdnum that knows its check digits.
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
# Without check digits, but nothing else looks so: a wallet of Ethereum, and a national insurance number of the United Kingdom.
WALLET = regex.compile(r"(?<!\w)0x[0-9A-Fa-f]{40}(?!\w)")
INSURANCE = regex.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?<!BG|GB|NK|KN|TN|NT|ZZ)(?: ?\d){6} ?[A-D](?!\w)",
)


def find_cards(text: str) -> Iterator[Span]:
    """Yield where the numbers of payment cards stand; other digits may stand before and after, such as the month it ends."""
    if not LONG.search(text):
        return
    groups = [group.span() for group in GROUP.finditer(text)]
    past = 0
    for first, (start, end) in enumerate(groups):
        if start >= past and end - start >= FIRST_GROUP and not BEFORE.match(text, max(start - 1, 0), start):
            ends = [
                last
                for last, digits in _joined(text, groups, first)
                if _is_card(digits) and not AFTER.match(text, last)
            ]
            if ends:
                past = ends[-1]
                yield start, past


def find_ibans(text: str) -> Iterator[Span]:
    """Yield where IBANs stand; a word may follow that looks like one more group."""
    for begun in IBAN.finditer(text, overlapped=True):
        signs = [at for at in range(*begun.span()) if text[at].isalnum()]
        length = _iban_length(begun[0][:2].upper())
        if length and length <= len(signs):
            end = signs[length - 1] + 1
            if not (end < len(text) and text[end].isalnum()) and _is_iban(
                "".join(text[at] for at in signs[:length])
            ):
                yield begun.start(), end


def find_personal_numbers(text: str) -> Iterator[Span]:
    """Yield where other numbers stand that belong to one person or one wallet."""
    yield from (found.span() for form in (WALLET, INSURANCE) for found in form.finditer(text))
    for pattern, module in NUMBERS:
        yield from (found.span() for found in pattern.finditer(text) if _valid(module, found[0]))


def _joined(text: str, groups: Sequence[Span], first: int) -> Iterator[tuple[int, str]]:
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
    return _valid("luhn", digits)


@lru_cache(maxsize=1000)
def _iban_length(country: str) -> int:
    """Give how many characters the IBANs of a country have, 0 where it has none."""
    from stdnum import numdb

    ((_, known),) = numdb.get("iban").info(country)[:1]
    return 4 + sum(int(part) for part in PARTS.findall(known["bban"])) if known else 0


def _is_iban(compact: str) -> bool:
    if not compact.isascii():
        return False
    # The remainder first (ISO 7064), as it is quick and refuses nearly everything.
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1 and _valid(
        "iban", compact, check_country=False
    )


def _valid(module: str, number: str, **how: bool) -> bool:
    return bool(importlib.import_module(f"stdnum.{module}").is_valid(number, **how))
