"""The document of an evaluation: a candidate beside the baselines, plain values only."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import DataRejected
from pipeline.core.evaluate.report import LabelledPredictions, evaluation_report
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


def answered(texts: int = 4) -> LabelledPredictions:
    columns: dict[str, list[Any]] = {
        "truth": [0, 0, 1, 1],
        "guess": [0, 1, 1, 1],
        "probabilities": [[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]],
        "groups": ["a", "a", "b", "c"],
        "sources": ["tweet", "tweet", "movie", "movie"],
        "langs": ["en", "en", "en", "nl"],
        "texts": ["this is not good", "bad", "it is not bad at all", "good"],
    }
    return LabelledPredictions(
        labels=("no", "yes"), temperature=1.2, **{name: column[:texts] for name, column in columns.items()}
    )


def document(baselines: dict[str, list[int]], **extra: Any) -> dict[str, Any]:
    return evaluation_report(answered(), baselines=baselines, extra=extra, cfg=CFG, seed=20)


def test_the_document_holds_plain_values_and_every_figure_of_the_contract() -> None:
    found = document({"tfidf": [0, 0, 0, 0]})

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    figures = {"macro_f1", "accuracy", "intervals", "per_source"}
    counts = {"labels", "texts", "per_class", "confusion", "slices", "calibration", "baselines"}
    assert set(found) == {*figures, *counts, "behaviour", "attack", "human"}
    assert (found["texts"], found["accuracy"], found["confusion"]) == (4, 0.75, [[1, 1], [0, 2]])
    assert set(found["baselines"]["tfidf"]) == figures
    assert found["baselines"]["tfidf"]["macro_f1"] == pytest.approx((2 / 3) / 2)
    assert set(found["calibration"]) == {"ece", "adaptive_ece", "brier", "temperature", "bins"}
    assert found["calibration"]["temperature"] == 1.2


def test_each_slice_that_is_large_enough_has_its_figures() -> None:
    found = document({})["slices"]

    assert set(found) == {
        "source=movie",
        "source=tweet",
        "lang=en",
        "length=1-3",
        "length=4+",
        "negated=yes",
        "negated=no",
    }
    assert found["negated=yes"] == {"macro_f1": 1.0, "accuracy": 1.0, "texts": 2}
    assert found["length=1-3"] == {"macro_f1": pytest.approx((2 / 3) / 2), "accuracy": 0.5, "texts": 2}


def test_what_others_measured_stands_in_it_and_what_nobody_did_is_said_to_be_absent() -> None:
    bare, whole = (
        document({}),
        document({}, behaviour={"negation": {"pass_rate": 0.5}}, attack={"fall": 0.1}, human={"texts": 3}),
    )

    assert (bare["behaviour"], bare["attack"], bare["human"]) == ({}, None, None)
    assert (whole["behaviour"], whole["attack"], whole["human"]) == (
        {"negation": {"pass_rate": 0.5}},
        {"fall": 0.1},
        {"texts": 3},
    )


def test_equal_answers_make_an_equal_document() -> None:
    assert document({}) == document({})


def test_no_test_texts_say_what_to_change() -> None:
    with pytest.raises(DataRejected, match=r"Raise split\.test"):
        evaluation_report(answered(0), baselines={}, extra={}, cfg=CFG, seed=20)
