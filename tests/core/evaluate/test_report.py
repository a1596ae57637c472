"""The evaluation report: measurements of a candidate and of the baselines, as JSON values."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.base.documents import AbilityReport, AttackReport, EvaluationReport, HumanAgreement, Scores
from pipeline.base.errors import DataRejected
from pipeline.core.evaluate.report import (
    NOT_MEASURED,
    LabelledPredictions,
    RobustnessReports,
    evaluation_report,
)
from pipeline.io.params_file import load_params

CFG = load_params(Path(__file__).parents[3] / "params.yaml").evaluate.model_copy(
    update={
        "resamples": 50,
        "confidence": 0.9,
        "calibration_bins": 5,
        "min_slice_texts": 2,
        "length_bands": (3,),
        "negations": ("not",),
    }
)


def predictions(texts: int = 4) -> LabelledPredictions:
    return LabelledPredictions(
        labels=("no", "yes"),
        truth=[0, 0, 1, 1][:texts],
        predicted=[0, 1, 1, 1][:texts],
        probabilities=np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]])[:texts],
        groups=["a", "a", "b", "c"][:texts],
        sources=["tweet", "tweet", "movie", "movie"][:texts],
        langs=["en", "en", "en", "nl"][:texts],
        texts=["this is not good", "bad", "it is not bad at all", "good"][:texts],
        temperature=1.2,
    )


def report(
    *, texts: int = 4, robustness: RobustnessReports = NOT_MEASURED, **baselines: list[int]
) -> EvaluationReport:
    return evaluation_report(predictions(texts), baselines=baselines, robustness=robustness, cfg=CFG, seed=20)


def test_the_report_holds_json_values_and_every_measurement() -> None:
    document = report(tfidf=[0, 0, 0, 0])

    assert json.loads(json.dumps(document, allow_nan=False)) == document
    scores = {"macro_f1", "accuracy", "intervals", "per_source"}
    counts = {"labels", "texts", "reserved", "per_class", "confusion", "slices", "calibration", "baselines"}
    assert set(document) == {*scores, *counts, "behaviour", "attack", "human"}
    assert (document["texts"], document["accuracy"], document["confusion"]) == (4, 0.75, [[1, 1], [0, 2]])
    assert set(document["baselines"]["tfidf"]) == {*scores, "gain"}
    gain = document["baselines"]["tfidf"]["gain"]
    assert gain["difference"] == pytest.approx(document["macro_f1"] - (2 / 3) / 2)
    assert gain["low"] <= gain["difference"] <= gain["high"]
    assert document["baselines"]["tfidf"]["macro_f1"] == pytest.approx((2 / 3) / 2)
    calibration = {"ece", "adaptive_ece", "debiased", "per_source", "brier", "temperature", "bins"}
    assert set(document["calibration"]) == calibration
    assert set(document["calibration"]["per_source"]) == {"movie", "tweet"}
    assert document["calibration"]["temperature"] == 1.2


def test_each_slice_of_enough_texts_has_its_scores() -> None:
    document = report()["slices"]

    assert set(document) == {
        "source=movie",
        "source=tweet",
        "lang=en",
        "length=1-3",
        "length=4+",
        "negated=yes",
        "negated=no",
    }
    assert document["negated=yes"] == {"macro_f1": 1.0, "accuracy": 1.0, "texts": 2}
    assert document["length=1-3"] == {"macro_f1": pytest.approx((2 / 3) / 2), "accuracy": 0.5, "texts": 2}


def test_robustness_is_reported_or_absent() -> None:
    ability: AbilityReport = {"kind": "direction", "cases": 2, "passed": 1, "pass_rate": 0.5, "examples": []}
    attack: AttackReport = {
        "texts": 4,
        "edits": 1,
        "tries": 2,
        "macro_f1_before": 0.7,
        "macro_f1_after": 0.6,
        "fall": 0.1,
    }
    scores: Scores = {"macro_f1": 1.0, "accuracy": 1.0}
    human: HumanAgreement = {
        "texts": 3,
        "one_rater": scores,
        "ceiling": scores,
        "candidate": scores,
        "per_source": {},
    }
    bare, complete = report(), report(robustness=RobustnessReports({"negation": ability}, attack, human))

    assert (bare["behaviour"], bare["attack"], bare["human"]) == ({}, None, None)
    assert complete["behaviour"] == {"negation": ability}
    assert (complete["attack"], complete["human"]) == (attack, human)


def test_equal_predictions_give_an_equal_report() -> None:
    assert report() == report()


def test_an_empty_test_set_is_rejected_with_advice() -> None:
    with pytest.raises(DataRejected, match=r"Raise split\.test"):
        report(texts=0)
