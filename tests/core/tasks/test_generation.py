"""Generation: outcomes are numbered and compared by the likelihood of their references."""

import math
from typing import Any

import pytest
from judged import GATE

from pipeline.base.errors import ConfigError, DataRejected
from pipeline.base.tasks.scores import score_of, score_title
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.comparison import compare_models
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.evaluate.report import ScoredTexts
from pipeline.core.tasks.generation import Generation
from pipeline.core.writing.outcomes import Outcome, dump_outcome, load_outcome
from pipeline.core.writing.report import generation_figures, model_scores

TASK = Generation()
SAMPLING = BootstrapConfig(50, 0.95, 7)
LOOK: Any = {"number": 1, "allowed": 52, "level": 0.05}
REFERENCES = ("it was good", "it was bad", "")


def outcome(written: str, log_likelihood: float, tokens: int) -> str:
    return dump_outcome(Outcome(written, log_likelihood, tokens))


def scored(truth: tuple[str, ...], predicted: list[str]) -> ScoredTexts:
    table = TASK.table((), truth, predicted)
    groups = [str(number) for number in range(len(truth))]
    return ScoredTexts(
        labels=(),
        truth=table.numbers(truth),
        predicted=table.numbers(predicted),
        groups=groups,
        sources=["texts"] * len(truth),
        items=table.items,
    )


def paired(candidate: list[str], champion: list[str], truth: tuple[str, ...]) -> PairedPredictions:
    table = TASK.table((), truth, candidate, champion)
    ids = [str(number) for number in range(len(truth))]
    numbers = map(table.numbers, (truth, candidate, champion))
    return PairedPredictions(ids, *numbers, ids, table.items)


def test_an_outcome_is_read_back_and_a_reference_is_none() -> None:
    assert load_outcome(outcome('say "no"', -1.25, 3)) == Outcome('say "no"', -1.25, 3)
    assert load_outcome("it was good") is None
    assert load_outcome('{"written": "a recipe"}') is None


def test_the_score_is_the_log_likelihood_of_a_token_over_all_texts() -> None:
    test = scored(REFERENCES, [outcome("x", -2.0, 4), outcome("y", -1.0, 2), outcome("z", -6.0, 3)])

    scores = model_scores(test, test.predicted, SAMPLING)

    assert score_title(scores) == "log-likelihood per token"
    assert score_of(scores) == pytest.approx(-9 / 9)
    assert "macro_f1" not in scores
    assert "accuracy" not in scores


def test_perplexity_is_of_tokens_and_quartiles_are_of_texts() -> None:
    test = scored(REFERENCES, [outcome("x", -2.0, 4), outcome("y", -1.0, 1), outcome("z", -6.0, 3)])

    figures = generation_figures(test, SAMPLING)

    assert figures["perplexity"] == pytest.approx(math.exp(9 / 8))
    assert figures["perplexity_quartiles"][1] == pytest.approx(math.e)
    assert (figures["tokens"], figures["references"]) == (8, 2)


def test_texts_that_stand_alone_have_no_bleu_and_no_chrf() -> None:
    test = scored(("", ""), [outcome("x", -2.0, 4), outcome("", -1.0, 2)])

    figures = generation_figures(test, SAMPLING)

    assert figures["bleu"] is None
    assert figures["chrf"] is None
    assert list(figures["intervals"]) == ["perplexity"]


def test_models_are_compared_by_the_likelihood_of_the_same_references() -> None:
    truth = tuple(f"text {number}" for number in range(12))
    candidate = [outcome(one, -1.0, 4) for one in truth]
    champion = [outcome("nothing", -3.0, 4) for _ in truth]

    found = compare_models(
        paired(candidate, champion, truth),
        champion="R1",
        labels=(),
        slices={},
        gate=GATE,
        seed=3,
        look=LOOK,
    )

    assert "macro_f1" not in found
    assert score_of(found)["difference"] == pytest.approx(-0.25 + 0.75)
    assert found["mcnemar"]["only_candidate"] == 12
    assert found["changed"]["fixed"] == 12
    assert found["changed"]["texts"][0]["champion"] == "nothing"
    assert found["slices"] == []


def test_a_text_without_a_reference_is_answered_rightly_by_nobody() -> None:
    truth = ("",)
    pair = paired([outcome("", -1.0, 4)], [outcome("x", -1.0, 4)], truth)

    assert pair.are_equal(pair.truth, pair.candidate) == [False]


def test_overlap_with_references_is_compared_where_there_are_some() -> None:
    truth = tuple(f"it was number {number} of them" for number in range(12))
    written = [one if number % 4 == 0 else "no" for number, one in enumerate(truth)]
    good, bad = ([outcome(one, -1.0, 4) for one in column] for column in (truth, written))

    rows = TASK.figures.compare(paired(bad, good, truth), champion="R1", gate=GATE, seed=3)
    none = TASK.figures.compare(paired(bad, good, ("",) * 12), champion="R1", gate=GATE, seed=3)

    assert [(row["name"], row["state"]) for row in rows] == [("chrF", "worse"), ("BLEU", "worse")]
    assert none == []


def test_only_a_bert_can_be_a_decoder(tokenizer_json: str) -> None:
    with pytest.raises(ConfigError, match="the encoder is RoBERTa, which cannot be a decoder"):
        TASK.require_start({"model_type": "roberta"}, tokenizer_json, [], None)  # type: ignore[arg-type]


def test_references_that_are_too_long_are_counted(tokenizer_json: str) -> None:
    class Encoder:
        max_tokens, answer_tokens = 32, 5

    answers = ["the film was good", "good", "the film was good and the film was bad"]
    encoder: Any = Encoder()

    with pytest.raises(DataRejected, match=r"1 of 3 references have more than 5 tokens .* the longest 12"):
        TASK.require_start({"model_type": "bert"}, tokenizer_json, answers, encoder)
