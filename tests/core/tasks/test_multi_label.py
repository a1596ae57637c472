"""Several labels of a text: targets, answers by number, and the report, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from pipeline.base.config import EvaluateConfig
from pipeline.base.tasks import join_labels
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions, paired_metrics
from pipeline.core.evaluate.report import NOT_MEASURED, LabelledPredictions
from pipeline.core.tasks import MultiLabel
from pipeline.core.tasks.protocol import BaselineTexts, KnownTexts
from pipeline.io.params_file import load_params

LABELS = ("food", "service", "price")
TASK = MultiLabel()


@pytest.fixture(scope="module")
def cfg(root) -> EvaluateConfig:
    cfg = load_params(root / "params.yaml").evaluate
    return cfg.model_copy(update={"resamples": 200, "min_slice_texts": 40})


def drawn(texts: int = 200, seed: int = 3):
    """Return label sets, predictions that are wrong on every sixth decision, and both as answers."""
    draw = np.random.default_rng(seed)
    truth = draw.random((texts, 3)) < [0.6, 0.3, 0.2]
    predicted = truth ^ (draw.random((texts, 3)) < 1 / 6)
    return truth, predicted, *([answer(row) for row in rows] for rows in (truth, predicted))


class Logits:
    """Stand for the predictor of a model with these logits."""

    def __init__(self, logits):
        self._logits = logits

    def logits(self, texts):
        return self._logits


def answer(row) -> str:
    return join_labels([label for label, has in zip(LABELS, row, strict=True) if has])


def labelled(truth, predicted, answers, predictions, cfg):
    table = TASK.table(LABELS, answers, predictions)
    test = LabelledPredictions(
        labels=LABELS,
        truth=table.numbers(answers),
        predicted=table.numbers(predictions),
        groups=[f"g{number // 2}" for number in range(len(truth))],
        sources=["mine" if number % 2 else "yours" for number in range(len(truth))],
        items=table.items,
        probabilities=np.where(predicted, 0.8, 0.2),
        langs=["en"] * len(truth),
        texts=["four words of text"] * len(truth),
        temperature=1.0,
    )
    return table, test


def test_targets_are_ones_where_a_text_has_a_label() -> None:
    truth, _, answers, _ = drawn(20)

    assert (TASK.truth(answers, LABELS) == truth).all()
    assert TASK.truth(["no label"], LABELS).tolist() == [[0, 0, 0]]


def test_the_report_holds_the_figures_of_scikit_learn(cfg) -> None:
    truth, predicted, answers, predictions = drawn()
    _, test = labelled(truth, predicted, answers, predictions, cfg)

    report = TASK.report(test, baselines={}, robustness=NOT_MEASURED, cfg=cfg, seed=20, reserved=7)

    assert report["task"] == "multi_label"
    assert report["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert report["items"]["micro_f1"] == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert report["accuracy"] == pytest.approx((truth == predicted).all(axis=1).mean())
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted)
    for number, label in enumerate(LABELS):
        scores = report["per_class"][label]
        assert scores["precision"] == pytest.approx(precision[number])
        assert scores["recall"] == pytest.approx(recall[number])
        assert scores["f1"] == pytest.approx(f1[number])
        assert scores["texts"] == support[number]
    mine = np.arange(1, 200, 2)
    assert report["per_source"]["mine"]["macro_f1"] == pytest.approx(
        f1_score(truth[mine], predicted[mine], average="macro")
    )
    for name in ("macro_f1", "micro_f1", "accuracy"):
        low, high = report["intervals"][name]
        assert low < (report["items"][name] if name == "micro_f1" else report[name]) < high


def test_each_decision_about_a_label_is_calibrated_by_itself(cfg) -> None:
    truth, predicted, answers, predictions = drawn(2000)
    _, test = labelled(truth, predicted, answers, predictions, cfg)

    calibration = TASK.report(test, baselines={}, robustness=NOT_MEASURED, cfg=cfg, seed=20, reserved=0)[
        "calibration"
    ]

    # Right on five of six decisions, at a confidence of 0.8.
    assert calibration["debiased"]["error"] == pytest.approx(5 / 6 - 0.8, abs=0.015)
    assert calibration["brier"] == pytest.approx(2 * (0.04 * 5 / 6 + 0.64 / 6), abs=0.02)


def test_two_models_are_compared_label_by_label(cfg) -> None:
    truth, predicted, answers, predictions = drawn()
    worse = [answer(row) for row in predicted ^ (np.arange(200)[:, None] % 4 == 0)]
    table = TASK.table(LABELS, answers, predictions, worse)
    ids = [str(number) for number in range(200)]
    pair = PairedPredictions(ids, *map(table.numbers, (answers, predictions, worse)), ids, table.items)

    overall, *by_label = paired_metrics(pair, {}, LABELS, resamples=100, seed=3)

    assert overall.candidate == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert [metric.name for metric in by_label] == [f"class={label}" for label in LABELS]
    f1 = f1_score(truth, predicted, average=None)
    assert [metric.candidate for metric in by_label] == pytest.approx(f1.tolist())
    assert [metric.texts for metric in by_label] == truth.sum(axis=0).tolist()
    assert overall.difference > 0.1
    assert overall.differing_groups == 50


def test_a_baseline_predicts_each_label_by_itself(cfg) -> None:
    texts = ["the soup was cold", "the waiter was rude", "the soup was cold and the waiter was rude"] * 8
    answers = ["food", "service", "food + service"] * 8

    predicted = TASK.baselines(BaselineTexts(texts, answers, texts[:3], LABELS, cfg, frozen=None))

    assert predicted == {"tfidf": answers[:3]}


def test_thresholds_and_confidence_are_fitted_on_answers() -> None:
    truth, _, answers, _ = drawn(400)
    logits = np.where(truth, 1.0, -3.0) + np.random.default_rng(5).normal(size=truth.shape)
    settings = {"labels": list(LABELS), "max_tokens": 8, "temperature": 1.0, "uncertain": 0.0}

    fitted = TASK.calibrated(
        Logits(logits), KnownTexts([], answers, 0.1), {**settings, "task": "multi_label"}
    )

    assert len(fitted["thresholds"]) == 3
    assert all(threshold < 0.5 for threshold in fitted["thresholds"])
    assert 0 < fitted["uncertain"] < 1
