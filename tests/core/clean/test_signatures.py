"""A signature depends on the runs of characters of its own text, in whatever script, and on no other text."""

import numpy as np

from pipeline.core.clean.signatures import SHINGLE, bands_of, shingles, sign_bands

TEXTS = [
    "the kettle was cold",
    "\u623f\u95f4\u5f88\u51b7\u5f88\u5c0f",
    "oh",
    "a \U0001f389 party \U0001f389 tonight",
    "\U0001f389",
    "the kettle was cold",
]


def test_a_text_has_the_same_bands_alone_and_among_others() -> None:
    together = sign_bands(TEXTS, 0.8)

    assert together.shape == (len(TEXTS), bands_of(0.8))
    for text, bands in zip(TEXTS, together, strict=True):
        assert np.array_equal(sign_bands([text], 0.8)[0], bands)
    assert np.array_equal(together[0], together[-1])
    assert sign_bands([], 0.8).shape == (0, bands_of(0.8))


def test_runs_that_are_repeated_or_in_another_order_change_nothing() -> None:
    once, again = "abcdefgh", "abcdefghabcdefgh"
    others = set(shingles(again)) - set(shingles(once))

    assert len(others) == SHINGLE - 1
    assert np.array_equal(*sign_bands(["aaaaaa", "aaaaaaaaaaaa"], 0.8))
    assert not np.array_equal(*sign_bands([once, again], 0.8))


def test_a_share_of_the_bands_is_equal_as_the_similarity_predicts() -> None:
    random = np.random.default_rng(3)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    pairs = []
    for _ in range(300):
        one = "".join(random.choice(letters, 100))
        pairs.append((one, one[:90] + "".join(random.choice(letters, 10))))
    ones, others = (sign_bands(side, 0.8) for side in zip(*pairs, strict=True))
    runs = [[set(shingles(text)) for text in pair] for pair in pairs]
    similarities = np.array([len(one & other) / len(one | other) for one, other in runs])

    assert abs((ones == others).mean() - np.mean(similarities**6)) < 0.02
