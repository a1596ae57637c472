"""The figures of one task as sentences of the card."""

from typing import Any

from pipeline.report.release.task_figures import task_sentences


def test_a_release_of_one_label_a_text_has_no_sentence() -> None:
    evaluation: Any = {"macro_f1": 0.7}

    assert task_sentences(evaluation) == []


def test_a_scale_is_described_by_its_error_and_its_agreement() -> None:
    intervals = {"mean_absolute_error": [0.2, 0.3], "weighted_kappa": [0.8, 0.9]}
    evaluation: Any = {
        "ordinal": {"mean_absolute_error": 0.25, "weighted_kappa": 0.85, "intervals": intervals}
    }

    assert task_sentences(evaluation) == [
        "On the scale, a prediction is 0.250 steps from the truth in the mean (0.200 to 0.300). "
        "Cohen's kappa with quadratic weights is 0.850 (0.800 to 0.900)."
    ]


def test_several_labels_are_described_one_by_one() -> None:
    evaluation: Any = {
        "accuracy": 0.6,
        "intervals": {"micro_f1": [0.7, 0.8]},
        "per_class": {"food": {"f1": 0.9}, "price": {"f1": 0.5}},
        "items": {"micro_f1": 0.75, "label_intervals": {"food": [0.85, 0.95], "price": [0.4, 0.6]}},
    }

    assert task_sentences(evaluation) == [
        "A text may have several labels: micro F1 is 0.750 (0.700 to 0.800), and 0.600 of the texts have "
        "exactly the right ones, which is called accuracy here.",
        "F1 of each label: food 0.900 (0.850 to 0.950), price 0.500 (0.400 to 0.600).",
    ]
