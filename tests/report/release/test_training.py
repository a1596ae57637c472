"""How a classifier was trained, as sentences of the card."""

from typing import Any

from pipeline.report.release.training import training_sentences

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
