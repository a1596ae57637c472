"""Typos inside words, limited in number; the worst of a few attempts counts."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config.evaluate import AttackConfig
from pipeline.base.documents import AttackReport
from pipeline.core.evaluate import typos
from pipeline.core.evaluate.attack import attack, attack_report, perturb
from pipeline.core.evaluate.bootstrap import BootstrapConfig

TEXTS = st.lists(
    st.sampled_from(["The", "movie", "was", "excellent", "aaaa", "Café", "我们都很好", "so", "wow!"]),
    max_size=8,
).map(" ".join)


class Reader:
    """Predict 1 for texts with one of some words, else 0, with certainty."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(list(texts))
        return np.array([[0.0, 1.0] if set(text.split()) & set(self.words) else [1.0, 0.0] for text in texts])


def measure_attack(
    texts: list[str], truth: list[int], reader: Reader, *, cfg: AttackConfig, seed: int
) -> AttackReport:
    sampling = BootstrapConfig(resamples=200, confidence=0.9, seed=seed)
    attacked = attack(texts, truth, lambda asked: reader(asked).argmax(axis=1).tolist(), cfg=cfg, seed=seed)
    return attack_report(attacked, ("no", "yes"), cfg=cfg, sampling=sampling)


def bounds(texts: int = 100, edits: int = 1, tries: int = 20) -> AttackConfig:
    return AttackConfig(texts=texts, edits=edits, tries=tries)


@given(TEXTS, st.integers(1, 3), st.integers(0, 2**32))
def test_an_attempt_changes_few_words_and_only_inside(text: str, edits: int, seed: int) -> None:
    changed = perturb(text, edits, random.Random(seed))

    words = list(zip(text.split(" "), changed.split(" "), strict=True))
    assert sum(one != other for one, other in words) <= edits
    for one, other in words:
        if one != other:
            assert len(one) >= 4
            assert (one[0], one.rstrip("!")[-1]) == (other[0], other.rstrip("!")[-1])
            assert abs(len(one) - len(other)) <= 1


@pytest.mark.parametrize(
    ("typo", "word", "possible"),
    [
        (typos.swap, "good", {"good"}),
        (typos.swap, "fine", {"fnie"}),
        (typos.drop, "fine", {"fne", "fie"}),
        (typos.double, "fine", {"fiine", "finne"}),
        (typos.miss, "fine", {"fune", "fone", "fibe", "fime"}),
        (typos.miss, "FINE", {"FUNE", "FONE", "FIBE", "FIME"}),
        (typos.miss, "我们都好", {"我们都好"}),
    ],
)
def test_each_typo(typo: typos.Typo, word: str, possible: set[str]) -> None:
    assert {typo(word, random.Random(seed)) for seed in range(60)} == possible


def test_short_words_and_numbers_get_no_typo() -> None:
    assert [text for text in ("not", "2026", "ab1cd", "a b c") if typos.typo_spans(text)] == []
    assert typos.typo_spans("a good day, 3 fine ones") == [(2, 6), (14, 18), (19, 23)]


def test_macro_f1_drops_where_one_word_decides_the_prediction() -> None:
    # All four are correct before; "brilliant" is unknown with a typo in it, the others are too short for one.
    texts, truth = ["a brilliant one", "so brilliant", "a so so one", "bad"], [1, 1, 0, 0]

    report = measure_attack(texts, truth, Reader("brilliant"), cfg=bounds(), seed=20)

    # Afterwards all four are predicted 0: F1 is 2/3 for label 0 and 0 for label 1.
    low, high = report.pop("low"), report.pop("high")
    assert 0 <= low < report["fall"] < high <= 1
    assert report == {
        "texts": 4,
        "edits": 1,
        "tries": 20,
        "macro_f1_before": 1.0,
        "macro_f1_after": pytest.approx(1 / 3),
        "fall": pytest.approx(2 / 3),
    }


def test_one_attempt_that_changes_a_prediction_is_enough() -> None:
    # One typo in one of two words: about half the attempts leave "brilliant" as it is.
    texts = [
        f"brilliant {thing}"
        for thing in ("weather", "garden", "meal", "film", "camera", "phone", "hotel", "concert")
    ]

    assert measure_attack(texts, [1] * 8, Reader("brilliant"), cfg=bounds(), seed=20)["macro_f1_after"] == 0.0


def test_a_prediction_that_depends_on_short_words_is_robust() -> None:
    report = measure_attack(
        ["it was bad then", "it was big then"], [1, 0], Reader("bad"), cfg=bounds(), seed=20
    )

    assert (report["macro_f1_after"], report["fall"]) == (1.0, 0.0)


def test_a_wrong_prediction_is_not_attacked() -> None:
    reader = Reader("brilliant")

    report = measure_attack(
        ["a brilliant disguise", "a brilliant film"], [0, 1], reader, cfg=bounds(tries=3), seed=20
    )

    first, *attempts = reader.calls
    assert len(first) == 2
    assert len(attempts) >= 1
    # A typo changes the length by one letter at most, so these are variants of the second text.
    assert all(len(texts) == 1 and len(texts[0]) in (15, 16, 17) for texts in attempts)
    assert report["macro_f1_before"] == pytest.approx(1 / 3)


def test_with_only_wrong_predictions_nothing_is_attacked() -> None:
    reader = Reader("brilliant")

    report = measure_attack(["brilliant", "dull thing"], [0, 1], reader, cfg=bounds(), seed=20)

    assert (len(reader.calls), report["macro_f1_before"], report["fall"]) == (1, 0.0, 0.0)


def test_the_sample_depends_on_the_seed() -> None:
    texts, truth = [f"text number {n}" for n in range(50)], [0] * 50
    drawn = []
    for seed in (20, 20, 21):
        reader = Reader()
        assert measure_attack(texts, truth, reader, cfg=bounds(texts=5, tries=2), seed=seed)["texts"] == 5
        drawn.append(reader.calls)

    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0]
    assert [len(texts) for texts in drawn[0]] == [5, 5, 5]


def test_a_target_is_not_misspelled() -> None:
    changed = perturb("lovely bread\nwaiter", 9, random.Random(1))

    assert changed.endswith("\nwaiter")
    assert not changed.startswith("lovely bread\n")
