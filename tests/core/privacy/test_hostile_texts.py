"""A hostile text costs what a text full of numbers costs, and the cost grows with the length only."""

import random
import time
from collections.abc import Callable, Iterable

import pytest

from pipeline.core.privacy.masking import mask_pii
from tests.support.harmless_texts import harmless_texts

LENGTH = 10_000
# One for every way to begin a match that does not end: repeated to LENGTH characters.
PIECES = (
    "1/2/", "4111111111111111 ", "4111 ", "DE89 ", "DE89", "MT84MALT", "::", "f:", "1:", "@ab.", "@",
    "@ ", "a@", "a.b@", "a @ ", "@a.b.c.d", "a'", '"a', "a%40b.", "a (at) ", "a at b dot ", "dot ",
    " at ", "a@b dot ", "1.2.", "1.2.3.4", "+1 ", "+1234567 ", "+49 1 ", "00123456 ", "1-", "1 ", "1",
    "12 34 56 ", "01 02 ", "1234567,", "0123456 ", "2020-11-25 ", "call 12345678, ", "(((", "[(+",
    "(212) ", "(1) ", "212555123", "2125551234x1", "x123 ", "http://a:b@c ", "ab://", "https://a?b=c&",
    "ab://c?d=", "x@y.zz ", "AB12 ", "A1", "0x", "bc1", "123-45-6789 ", "2 95 10 99 126 111 ", "a" * 65,
    "①", "\u2488", "1\u200b", "\ufe0f1", "\u3300", "\u0661", "１", "\u00a0", "é1", "\ufdfa1",
)  # fmt: skip
ALPHABETS = (
    "0123456789 .-/()+@:x&?=aE", "01 ", "12 .-", "ab.@", "DE0123456789 ", "at dot.", "a1:@/.", "4 1-",
    "(1) ",
)  # fmt: skip


def hostile_texts() -> Iterable[str]:
    """Yield texts of LENGTH characters: a piece again and again, and an alphabet in any order."""
    rng = random.Random(4)
    yield from ((piece * LENGTH)[:LENGTH] for piece in PIECES)
    yield from ("".join(rng.choices(alphabet, k=LENGTH)) for alphabet in ALPHABETS)


def fastest(action: Callable[[], object], *, rounds: int = 3) -> float:
    """Return the seconds of processor time of the fastest of some rounds."""
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        action()
        seconds.append(time.process_time() - began)
    return min(seconds)


@pytest.fixture(scope="module")
def ordinary_seconds() -> float:
    ordinary = " ".join(text for text in harmless_texts() * 3)[:LENGTH]
    mask_pii(
        "call 030 22732152 or +44 20 7946 0958, DE89 3704 0044 0532 0130 00"
    )  # loads the numbering plans
    return fastest(lambda: mask_pii(ordinary))


@pytest.mark.parametrize("text", hostile_texts(), ids=lambda text: repr(text[:12]))
def test_a_hostile_text_costs_no_more_than_four_ordinary_ones(text: str, ordinary_seconds: float) -> None:
    assert fastest(lambda: mask_pii(text)) <= 4 * ordinary_seconds


@pytest.mark.parametrize("text", hostile_texts(), ids=lambda text: repr(text[:12]))
def test_half_a_hostile_text_costs_about_half(text: str) -> None:
    half, whole = (fastest(lambda part=part: mask_pii(part)) for part in (text[: LENGTH // 2], text))

    # A quadratic search takes four times as long; the constant covers what does not grow, and the clock.
    assert whole <= 3 * half + 0.01


@pytest.mark.parametrize("text", hostile_texts(), ids=lambda text: repr(text[:12]))
def test_masking_a_hostile_text_again_changes_nothing(text: str) -> None:
    once, _ = mask_pii(text)

    assert mask_pii(once)[0] == once
