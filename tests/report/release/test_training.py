"""How a classifier was trained, as sentences of the card."""

from typing import Any

import pytest

from pipeline.report.release.training import Gain, gain_of, training_sentences

RECORD: Any = {"method": "lora", "trained": 30_000, "parameters": 1_000_000, "score": 0.72, "seeds": {}}


def test_an_older_record_says_nothing() -> None:
    assert training_sentences(None) == []


def test_the_method_and_its_share_of_the_weights_are_named() -> None:
    assert training_sentences(RECORD) == [
        "Fine-tuned by the method lora, which trains 30,000 weights for 1,000,000 saved ones (3.0%): "
        "macro F1 0.720 on the validation split, which also chose the step."
    ]


def test_the_spread_over_seeds_is_shown() -> None:
    seeds = {"seed-1": 0.71, "seed-2": 0.73, "seed-3": 0.72}

    assert training_sentences({**RECORD, "seeds": seeds})[1] == (
        "Over 3 seeds it is 0.720 in the median, from 0.710 to 0.730, with a standard deviation of 0.010: "
        "what chance in the training alone does."
    )


def test_one_seed_has_no_spread() -> None:
    assert len(training_sentences({**RECORD, "seeds": {"seed-1": 0.71}})) == 1


COST: Any = {
    "stages": 8,
    "seconds": 600.0,
    "core_hours": 0.3333,
    "audit_labels": 0,
    "more_audit_labels": None,
}
LABELLED: Any = COST | {"audit_labels": 400, "more_audit_labels": 300}


@pytest.mark.parametrize(
    ("cost", "gain", "sentences"),
    [
        (COST, None, ["Its 8 stages took 10 min, or 0.33 core hours, and no label of an audit trains it."]),
        (
            LABELLED,
            Gain("R1", 0.05),
            [
                "Its 8 stages took 10 min, or 0.33 core hours, and 400 labels of audits train it.",
                "Against R1 they bring 5.0 points of macro F1: 0.07 core hours and 60 audit labels a point.",
            ],
        ),
        (COST, Gain("R1", -0.02), [..., "Against R1 they bring no point of macro F1."]),
        ({**COST, "stages": 0}, Gain("R1", 0.05), []),  # they ran where nobody kept their time
    ],
)
def test_the_cost_stands_beside_what_it_brings(cost: Any, gain: Gain | None, sentences: list[Any]) -> None:
    said = training_sentences({**RECORD, "cost": cost}, gain)[1:]

    assert len(said) == len(sentences)
    assert all(wanted in (..., sentence) for wanted, sentence in zip(sentences, said, strict=True))


def test_a_first_release_is_measured_against_the_best_baseline() -> None:
    release: Any = {
        "metrics": {"macro_f1": 0.74},
        "baselines": {"tfidf": {"macro_f1": 0.64}, "vader": {"macro_f1": 0.5}},
        "comparison": None,
    }

    gain = gain_of(release)

    assert gain is not None
    assert (gain.over, round(gain.macro_f1, 3)) == ("the baseline TF-IDF + logistic regression", 0.1)


def test_a_release_without_champion_and_baselines_gains_nothing_that_is_known() -> None:
    assert gain_of({"comparison": None, "baselines": {}}) is None  # type: ignore[typeddict-item]
