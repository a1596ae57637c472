"""How much is found of what people write, and how much is masked without need; README states these figures.

Rules are chosen on one half of the values and of the harmless texts, and these figures are of the other half.
"""

from collections import Counter
from functools import cache

import pytest

from pipeline.core.privacy.masking import KINDS, mask_pii
from tests.support.harmless_texts import harmless_texts
from tests.support.written_forms import WrittenForm, written_forms

PLACEHOLDERS = {f"[{kind}]" for kind, _ in KINDS}


def is_masked(form: WrittenForm) -> bool:
    """Return whether exactly the datum is replaced, and all of it."""
    before, _, after = form.text.partition(form.written)
    masked, _ = mask_pii(form.text)
    return masked in {f"{before}{placeholder}{after}" for placeholder in PLACEHOLDERS}


@cache
def results() -> dict[tuple[str, bool], list[bool]]:
    """Return whether each form is masked, by kind and whether it is held out."""
    found: dict[tuple[str, bool], list[bool]] = {}
    for form in written_forms():
        found.setdefault((form.kind, form.is_held_out), []).append(is_masked(form))
    return found


@pytest.mark.parametrize("is_held_out", [False, True])
@pytest.mark.parametrize(
    ("kind", "floor", "forms"),
    [
        ("email", 0.98, 80),
        ("iban", 0.99, 100),
        ("card", 0.99, 100),
        ("handle", 0.97, 30),
        ("telephone, cued", 0.99, 1000),
        ("telephone", 0.93, 1000),
    ],
)
def test_recall_stays_above_its_floor(kind: str, floor: float, forms: int, *, is_held_out: bool) -> None:
    masked = results()[kind, is_held_out]

    assert len(masked) >= forms
    assert sum(masked) / len(masked) >= floor


@pytest.mark.parametrize("half", [0, 1])
def test_false_alarms_stay_below_their_ceiling(half: int) -> None:
    texts = harmless_texts()[half::2]
    alarms = Counter(kind for text in texts for kind in mask_pii(text)[1])

    assert len(texts) >= 150
    assert alarms["telephone"] <= 0.02 * len(texts)
    assert alarms["card"] <= 0.01 * len(texts)
    assert alarms.total() - alarms["telephone"] - alarms["card"] == 0


def test_the_corpus_is_large_and_covers_twenty_countries() -> None:
    forms = written_forms()
    countries = {form.value[:3] for form in forms if form.kind == "telephone"}

    assert len({form.written for form in forms}) >= 1_000
    assert len(countries) >= 20
    assert len(harmless_texts()) >= 300
