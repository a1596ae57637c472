"""The predictor that writes: likelihoods of torch, the most probable token each time, a bounded length."""

import numpy as np
import pytest
import torch

from pipeline.base.config import Int8Config
from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.compress.quantization import quantize_model
from pipeline.core.model.language_models import CausalLanguageModel, sample_text
from pipeline.core.model.opened import open_predictor
from pipeline.core.model.text_generator import AnswerTokens, TextGenerator
from pipeline.core.model.tokenizer import load_tokenizer

SETTINGS = {
    "labels": [],
    "max_tokens": 24,
    "temperature": 1.0,
    "uncertain": 0.0,
    "task": "generation",
    "answer_tokens": 6,
    "preparation": "2-masked",
}
TEXTS = ["the film was good", "a bad book", "the film was bad again and again"]
ANSWERS = ["good film", "bad", ""]


@pytest.fixture(scope="module")
def model(start):
    model = CausalLanguageModel(start.encoder(5)).eval()
    with torch.no_grad():
        # Far apart, so that the tokens that follow differ.
        model.transform[0].weight.mul_(30)
        torch.nn.init.normal_(model.bias, generator=torch.Generator().manual_seed(4))
    return model


@pytest.fixture(scope="module")
def generator(model, tokenizer_json):
    return open_predictor(export_onnx(model, max_tokens=24), tokenizer_json, SETTINGS)


@pytest.fixture(scope="module")
def rows(tokenizer_json):
    return AnswerTokens(load_tokenizer(tokenizer_json, 24), 6)


def expected_likelihood(model, row):
    tokens_1T = torch.tensor([row.ids])
    with torch.inference_mode():
        logs_TV = torch.log_softmax(model(tokens_1T, torch.ones_like(tokens_1T)), dim=1)
    return sum(float(logs_TV[place - 1, row.ids[place]]) for place in range(row.first, len(row.ids)))


def test_the_likelihood_of_an_answer_is_that_of_torch(model, generator, rows):
    found = generator.likelihoods(TEXTS, ANSWERS)

    assert isinstance(generator, TextGenerator)
    for row, one in zip(rows.rows(TEXTS, ANSWERS), found, strict=True):
        assert one.log_likelihood == pytest.approx(expected_likelihood(model, row), abs=1e-4)
        assert one.tokens == len(row.ids) - row.first


def test_the_prompt_counts_for_nothing_and_a_text_alone_for_all_of_it(rows):
    answered, _, alone = rows.rows(TEXTS, ANSWERS)

    assert answered.ids[answered.first :] == [*rows.pieces(["good film"])[0], rows.end]
    assert alone.first == 1


def test_int8_is_near_torch(model, rows, tokenizer_json):
    tokens = [row.ids for row in rows.rows(TEXTS, ANSWERS)]
    cfg = Int8Config(calibration_texts=3, smoothing=0.8, outliers=2)
    small = open_predictor(quantize_model(model, tokens, max_tokens=24, cfg=cfg), tokenizer_json, SETTINGS)

    for row, one in zip(rows.rows(TEXTS, ANSWERS), small.likelihoods(TEXTS, ANSWERS), strict=True):
        wanted = expected_likelihood(model, row) / one.tokens
        assert one.log_likelihood / one.tokens == pytest.approx(wanted, rel=0.1)


def test_it_writes_what_torch_finds_most_probable(model, generator, rows):
    prompts, _ = rows.prompts(TEXTS)
    with torch.no_grad():
        hidden = model.bias.clone()
        model.bias[rows.never] = -1e4
        ids = [sample_text(model, one, tokens=6, end_id=rows.end, temperature=0, seed=0) for one in prompts]
        model.bias.copy_(hidden)

    written = [rows.text_of(one[len(prompt) :]) for one, prompt in zip(ids, prompts, strict=True)]
    assert list(generator.predict(TEXTS).labels) == written
    assert any(written)


def test_an_answer_does_not_depend_on_the_other_texts(generator):
    together = generator.predict(TEXTS).labels

    assert together == tuple(generator.predict([text]).labels[0] for text in TEXTS)
    assert together == generator.predict(TEXTS).labels


def test_a_smaller_answer_tokens_ends_an_answer_earlier(model, generator, tokenizer_json):
    content = export_onnx(model, max_tokens=24)
    shorter = open_predictor(content, tokenizer_json, {**SETTINGS, "answer_tokens": 2}).predict(TEXTS).labels

    pairs = list(zip(generator.predict(TEXTS).labels, shorter, strict=True))
    assert all(whole.startswith(part) for whole, part in pairs)
    assert any(len(part) < len(whole) for whole, part in pairs)


def test_a_prompt_leaves_room_for_its_answer_and_says_that_it_is_cut(generator):
    found = generator.predict(["film " * 40, "film"])

    assert found.cut == (True, False)
    assert found.probabilities.shape == (2, 0)
    assert found.uncertain == (False, False)


def test_golden_values_are_probabilities_of_a_token(generator):
    values = generator.golden(TEXTS)

    assert values.shape == (3, 1)
    assert np.all((values > 0) & (values < 1))


def test_a_model_that_continues_reads_no_end(tokenizer_json):
    tokens = load_tokenizer(tokenizer_json, 24)
    (answering,), _ = AnswerTokens(tokens, 6).prompts(["the film"])
    (continuing,), _ = AnswerTokens(tokens, 6, continues=True).prompts(["the film"])

    assert answering[:-1] == continuing
