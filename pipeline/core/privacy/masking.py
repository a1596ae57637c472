"""Personal data are masked before a text is stored: addresses, telephone, card and account numbers, handles.

A kind is recognized by its form and, where it has them, its check digits; other numbers stay. The text must
be cleaned: in another one an entity such as `&#64;` hides an address.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from pipeline.core.privacy import account_numbers, addresses, telephones
from pipeline.core.privacy.folding import fold

Span = tuple[int, int]

MAX_CHARACTERS = 20_000  # the rest is masked as a whole, unread
MAX_PASSES = 4  # a text that still changes then is hostile and masked as a whole

# No personal datum is without one of these, in any of the spellings that fold; see also _may_hold_pii.
ASCII_HINT = re.compile(r"[@0-9:/_\[{]")
HINT = re.compile(
    r"[@\d:/_\[{\u2044\u2215\u29F8\uFF0F\uFF20\uFE6B\uFF1A\uFE55\uFE13\u2236\uA789"
    # Digits in circles, raised and lowered.
    r"\u00B2\u00B3\u00B9\u2070-\u2089\u2460-\u249B\u24EA-\u24FF\u2776-\u2793]"
)
PLACEHOLDER = "[{}]"
UNREAD = "unread"


def mask_pii(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace personal data by their kind in brackets; return the text and the kinds found, each once.

    Masking the result again changes nothing. Telephone numbers without a country code are read as in
    numbering.REGIONS.
    """
    if not _may_hold_pii(text):
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


def _may_hold_pii(text: str) -> bool:
    if (ASCII_HINT if text.isascii() else HINT).search(text):
        return True
    low = text.lower()
    # "joe (at) x (dot) org", without a loop: most texts end here.
    return (
        "dot" in low or "at)" in low or "at )" in low or "-at-" in low or "punkt" in low or "punto" in low
        or "arroba" in low or "mail" in low or " AT " in text
    )  # fmt: skip


def _mask_once(text: str, kinds: dict[str, None]) -> str:
    folded = fold(text)
    view, found = folded.text, []
    for kind, find_spans in KINDS:
        if spans := list(find_spans(view)):
            spans = _apart(spans)
            kinds[kind] = None
            found += [(*folded.source_span(start, end), kind) for start, end in spans]
            view = _without(view, spans)
    parts, past = [], 0
    for start, end, kind in sorted(found):
        parts += [text[past:start], PLACEHOLDER.format(kind)]
        past = end
    return "".join([*parts, text[past:]])


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in order, without those that overlap an earlier one."""
    apart: list[Span] = []
    for start, end in sorted(spans):
        if not apart or start >= apart[-1][1]:
            apart.append((start, end))
    return apart


def _without(view: str, spans: Sequence[Span]) -> str:
    """Return the view with something as long as each span in its place that is part of no personal datum."""
    parts, past = [], 0
    for start, end in spans:
        parts += [view[past:start], "[", "|" * (end - start - 2), "]"]
        past = end
    return "".join([*parts, view[past:]])


# Kinds that contain others come first: an address may contain an e-mail, an account number a card's digits.
KINDS: tuple[tuple[str, Callable[[str], Iterable[Span]]], ...] = (
    ("address", addresses.find_web_addresses),
    ("email", addresses.find_emails),
    ("email", addresses.find_spelled_emails),
    ("iban", account_numbers.find_ibans),
    ("account", account_numbers.find_personal_numbers),
    ("ip", addresses.find_ip_addresses),
    ("card", account_numbers.find_cards),
    ("telephone", telephones.find_telephones),
    ("handle", addresses.find_handles),
)
