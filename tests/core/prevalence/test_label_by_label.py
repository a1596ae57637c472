"""The share of texts that have each label, in simulated worlds whose truth is known and by hand."""

import functools

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.config import PrevalenceConfig
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.tasks import MULTI_LABEL, answer_form, join_labels
from pipeline.base.tasks.items import carried_labels
from pipeline.core.prevalence.label_by_label import LabelByLabel, LabelTexts, label_texts
from pipeline.core.prevalence.ppi import Population

LABELS = ("food", "service", "price")
# How much lower the logit of each label is than it should be: the model misses half of the last one.
BIAS = np.array([0.0, -0.8, -1.5])
CFG = PrevalenceConfig(label_days=28.0, min_labels=50, max_unlabelled=0.1)
WINDOW, WORLDS = 400, 400
CARRIED = functools.partial(carried_labels, answer_form(MULTI_LABEL))


def draw(texts: int, random: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Draw which labels texts have, and what a model says; labels come together more often than by chance."""
    mood = random.normal(size=(texts, 1))
    truth = random.normal(size=(texts, 3)) + 0.7 * mood < 1.22 * np.array([-0.126, -0.674, -1.405])
    logits = 2.2 * (2 * truth - 1) + random.normal(size=(texts, 3)) * 1.8 + BIAS
    return truth, 1 / (1 + np.exp(-logits))


def answers(rows: NDArray[np.bool_]) -> list[str]:
    return [join_labels([LABELS[place] for place in np.flatnonzero(row)]) for row in rows]


def audited(topic: str, truth: NDArray[np.bool_], probabilities: NDArray[np.float64]) -> list[AuditLabel]:
    return [
        AuditLabel(
            request=f"{topic}{number}",
            position=0,
            time="2026-11-25T08:00:00Z",
            topic=topic,
            release="R1",
            cluster=f"{topic}{number}",
            predicted=said,
            probabilities=tuple(row),
            label=label,
            inclusion=0.01,
            annotator="ada",
            labelled_at="2026-11-25T09:00:00Z",
        )
        for number, (label, said, row) in enumerate(
            zip(answers(truth), answers(probabilities >= 0.5), probabilities, strict=True)
        )
    ]


def texts_of(probabilities: NDArray[np.float64]) -> LabelTexts:
    size = float(len(probabilities))
    return {
        label: label_texts(
            float((column >= 0.5).sum()),
            float(column.sum()),
            float((column**2).sum()),
            texts=size,
            independent=size,
        )
        for label, column in zip(LABELS, probabilities.T, strict=True)
    }


def estimator(
    labelled: dict[str, list[AuditLabel]], populations: dict[str, Population] | None = None
) -> LabelByLabel:
    return LabelByLabel(
        LABELS, labelled, populations or {}, carried=CARRIED, blocked={}, cfg=CFG, confidence=0.95
    )


def test_a_hundred_labels_cover_the_share_of_every_label() -> None:
    random, covered, topics = np.random.default_rng(20), np.zeros((2, 3)), ("cafe", "bar")
    _, many = draw(20_000, np.random.default_rng(1))
    populations = dict.fromkeys(topics, Population(many.mean(axis=0), 20_000.0))
    raw_misses = np.zeros(3)
    for _ in range(WORLDS):
        labelled = {topic: audited(topic, *draw(100, random)) for topic in topics}
        windows = {topic: draw(WINDOW, random) for topic in topics}
        found = estimator(labelled, populations)
        truth, probabilities = windows["cafe"]
        one = found.topic("cafe", texts_of(probabilities))
        whole = found.all_topics("all", {topic: texts_of(window[1]) for topic, window in windows.items()})
        shares = truth.mean(axis=0), np.mean([window[0].mean(axis=0) for window in windows.values()], axis=0)
        for row, entries in enumerate((one, whole)):
            assert {entry["method"] for entry in entries.values()} == {"ppi"}
            covered[row] += [
                entries[label]["low"] <= share <= entries[label]["high"]
                for label, share in zip(LABELS, shares[row], strict=True)
            ]
        raw_misses += [abs(one[label]["raw"] - shares[0][place]) for place, label in enumerate(LABELS)]

    rates = (covered / WORLDS).round(3)
    # A standard error of so many worlds is 0.011.
    assert ((rates >= 0.92) & (rates <= 0.97 + 0.01)).all(), rates.tolist()
    assert raw_misses[1] / WORLDS > 0.02


def test_shares_of_labels_that_come_together_do_not_sum_to_one() -> None:
    random = np.random.default_rng(3)
    truth = random.random((300, 3)) < 0.9
    probabilities = np.where(truth, 0.9, 0.1)

    entries = estimator({"cafe": audited("cafe", truth[:200], probabilities[:200])}).topic(
        "cafe", texts_of(probabilities)
    )

    assert sum(entry["share"] for entry in entries.values()) > 2.5
    for label, share in zip(LABELS, truth.mean(axis=0), strict=True):
        assert entries[label]["low"] < share < entries[label]["high"]


def test_an_indicator_worked_by_hand() -> None:
    # Every text is said to have food with 0.8, and price with 0.1; a quarter of 100 labelled ones has none.
    probabilities = np.tile([0.8, 0.5, 0.1], (200, 1))
    truth = np.zeros((100, 3), dtype=bool)
    truth[25:, 0] = True

    entries = estimator({"cafe": audited("cafe", truth, probabilities[:100])}).topic(
        "cafe", texts_of(probabilities)
    )

    assert entries["food"]["raw"] == 1.0
    assert entries["food"]["share"] == pytest.approx(0.75, abs=0.01)
    assert entries["food"]["low"] < 0.7 < 0.8 < entries["food"]["high"]
    assert entries["price"]["share"] == pytest.approx(0.0, abs=0.01)


def test_without_labels_each_share_says_why_it_is_not_corrected() -> None:
    _, probabilities = draw(200, np.random.default_rng(4))

    entries = estimator({}).topic("cafe", texts_of(probabilities))

    for label, entry in entries.items():
        assert (entry["corrected"], entry["low"], entry["high"], entry["share"]) == (
            False,
            0,
            1,
            entry["raw"],
        )
        assert entry["why"] == "it has no audit label of this release within 28 days", label
