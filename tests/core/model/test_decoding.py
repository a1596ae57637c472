"""Logits to probabilities and answers, by task."""

import numpy as np
import pytest

from pipeline.core.model.decoding import decoder_of, sigmoid

LABELS = ["food", "service", "price"]
LOGITS = np.log(np.array([[9.0, 1 / 9, 1.5], [0.25, 1 / 9, 0.25]]))


def settings(**more):
    return {"labels": LABELS, "max_tokens": 8, "temperature": 1.0, "uncertain": 0.0, **more}


def test_without_a_task_the_most_probable_label_is_the_answer() -> None:
    decoder = decoder_of(settings())
    probabilities = decoder.probabilities(LOGITS)

    assert probabilities.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert decoder.answers(probabilities) == ("food", "food")
    assert decoder.confidence(probabilities) == pytest.approx(probabilities.max(axis=1))


def test_several_labels_are_those_that_reach_their_thresholds() -> None:
    decoder = decoder_of(settings(task="multi_label"))
    probabilities = decoder.probabilities(LOGITS)

    assert probabilities == pytest.approx(np.array([[0.9, 0.1, 0.6], [0.2, 0.1, 0.2]]))
    assert decoder.answers(probabilities) == ("food + price", "no label")
    # The least certain decision counts: that `price` is true, and that `food` is not.
    assert decoder.confidence(probabilities) == pytest.approx([0.6, 0.8])


def test_a_label_has_a_threshold_of_its_own() -> None:
    decoder = decoder_of(settings(task="multi_label", thresholds=[0.95, 0.05, 0.6]))

    assert decoder.answers(decoder.probabilities(LOGITS[:1])) == ("service + price",)


def test_no_texts_have_no_answers() -> None:
    for task in ("single_label", "multi_label"):
        decoder = decoder_of(settings(task=task))
        assert decoder.answers(decoder.probabilities(np.zeros((0, 3)))) == ()
        assert len(decoder.confidence(np.zeros((0, 3)))) == 0


def test_probabilities_of_extreme_logits_are_finite() -> None:
    assert sigmoid(np.array([-1e6, 0.0, 1e6])).tolist() == [0.0, 0.5, 1.0]
