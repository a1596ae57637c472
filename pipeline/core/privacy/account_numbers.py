"""Account numbers in a folded text: cards, IBANs and personal numbers, by form and check digits."""

import importlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate

import regex

from pipeline.core.privacy.folding import WORD

Span = tuple[int, int]

SEPARATOR = r"(?:[ ./_-]{0,4}|[:*|,])"
# The prefixes and lengths of each network; by check digit alone every tenth long number is a card (Luhn,
# 1960).
NETWORKS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d|62\d\d|3528|3529|35[3-8]\d)\d{12,15}|3(?:0[0-5]|[68]\d)\d{11}|(?:50|5[6-9]|6\d)\d{14,17}"
)
CARD_LIKE = re.compile(rf"[0-9](?:{SEPARATOR}[0-9]){{12,}}+")
GROUP = re.compile(r"[0-9]+")
BEFORE, AFTER = regex.compile(rf"(?V1){WORD}|[.,]"), regex.compile(rf"(?V1){WORD}|[.,]\d")
DOUBLED = str.maketrans("0123456789", "0246813579")  # twice each digit, and the digits of that added
CARD = range(13, 20)  # digits of a card's number
FIRST_GROUP = 4  # digits that begin a card's number unseparated, however the rest is grouped

IBAN_HEAD = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=IBAN))([A-Za-z]{{2}}){SEPARATOR}[0-9]{SEPARATOR}[0-9]")
# The first two digits of one, and how far before them its country begins: most texts have no such digits.
PAIR, BEFORE_PAIR = re.compile(rf"[0-9]{SEPARATOR}[0-9]"), 6
FIELDS = regex.compile(r"(\d+)!([anc])")
CHARACTERS = {"a": "[A-Z]", "n": r"\d", "c": "[A-Z0-9]"}  # as in the registry of the IBANs, ISO 13616

# What every number below has: six digits not far from each other, or many characters.
SIX_DIGITS, LONGEST_WORD = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){5}"), 26
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
    for run in CARD_LIKE.finditer(text):
        groups = [group.span() for group in GROUP.finditer(text, *run.span())]
        digits = "".join(text[start:end] for start, end in groups)
        # By the count of digits that stand before it, each group's end.
        ends = dict(
            zip(accumulate(end - start for start, end in groups), (end for _, end in groups), strict=True)
        )
        # Digits or pairs that all stand apart.
        is_spread = len({end - start for start, end in groups}) == 1
        past, count = 0, 0
        for start, end in groups:
            if start >= past and (end - start >= FIRST_GROUP or (is_spread and count == 0)):
                card_end = _card_end(text, digits, count, ends)
                if card_end and not BEFORE.match(text, max(start - 1, 0), start):
                    past = card_end
                    yield start, past
            count += end - start


def find_ibans(text: str) -> Iterator[Span]:
    """Yield start and end of each IBAN, without a following word that looks like one more group."""
    past = 0
    for pair in PAIR.finditer(text):
        head = IBAN_HEAD.search(text, max(0, pair.start() - BEFORE_PAIR), pair.end())
        form = _iban_form(head[1].upper()) if head and head.start() >= past else None
        if not head or not form:
            continue
        match = form.match(text, head.start())
        if match and _is_iban("".join(filter(str.isalnum, match[0]))):
            past = match.end()
            yield match.span()


def find_personal_numbers(text: str) -> Iterator[Span]:
    """Yield the spans of other numbers of one person or one wallet."""
    if not SIX_DIGITS.search(text) and max(map(len, text.split()), default=0) < LONGEST_WORD:
        return
    yield from (match.span() for form in (WALLET, INSURANCE) for match in form.finditer(text))
    for pattern, module in NUMBERS:
        yield from (match.span() for match in pattern.finditer(text) if _is_valid(module, match[0]))


def _card_end(text: str, digits: str, first: int, ends: Mapping[int, int]) -> int:
    """Return the end of the longest card that begins with this digit, 0 where none does."""
    for length in reversed(CARD):
        end = ends.get(first + length)
        if end and _is_card(digits[first : first + length]) and not AFTER.match(text, end):
            return end
    return ends[len(digits)] if len(ends) == 1 and _is_row_of_cards(digits) else 0


def _is_row_of_cards(digits: str) -> bool:
    return any(
        len(digits) % length == 0
        and len(digits) > length
        and all(_is_card(digits[at : at + length]) for at in range(0, len(digits), length))
        for length in (15, 16)
    )


def _is_card(digits: str) -> bool:
    if len(digits) not in CARD or not NETWORKS.fullmatch(digits) or len(set(digits)) == 1:
        return False
    # As stdnum.luhn, which takes most of the time of a text of nothing but digits.
    return (
        sum((digits[-1::-2] + digits[-2::-2].translate(DOUBLED)).encode()) - len(digits) * ord("0")
    ) % 10 == 0


@lru_cache(maxsize=1000)
def _iban_form(country: str) -> "regex.Pattern[str] | None":
    """Return the form of a country's IBANs, None where it has none."""
    from stdnum import numdb

    ((_, properties),) = numdb.get("iban").info(country)[:1]
    if not properties:
        return None
    fields = "".join(
        rf"(?:{SEPARATOR}{CHARACTERS[kind]}){{{length}}}"
        for length, kind in FIELDS.findall(properties["bban"])
    )
    head = rf"{country}{SEPARATOR}\d{SEPARATOR}\d"
    return regex.compile(rf"(?V1){head}{fields}(?!{WORD})", regex.IGNORECASE)


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
