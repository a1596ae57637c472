"""The predictor of entities: the tags of torch, and places in the text that was given."""

import json

import numpy as np
import pytest
import torch

from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.model.language_models import TokenClassifier
from pipeline.core.model.opened import open_predictor
from pipeline.core.model.span_predictor import SpanPredictor, best_tags, spans_of
from pipeline.core.model.tokenizer import encode_with_places, load_tokenizer

LABELS = ["person", "place"]
SETTINGS = {
    "labels": LABELS,
    "max_tokens": 32,
    "temperature": 1.0,
    "uncertain": 0.0,
    "task": "token_labels",
    "preparation": "2-masked",
}


@pytest.fixture(scope="module")
def model(start):
    model = TokenClassifier(start.encoder(5), 5, dropout=0.0, seed=3).eval()
    with torch.no_grad():
        # Far apart, so that the tags differ from token to token.
        model.head.weight.mul_(50)
    return model


@pytest.fixture(scope="module")
def predictor(model, tokenizer_json):
    return open_predictor(export_onnx(model, max_tokens=32), tokenizer_json, SETTINGS)


def test_the_logits_of_every_token_are_those_of_torch(model, predictor, tokenizer_json, sentences):
    texts = [text for text, _ in sentences[:20]]
    tokens, _ = encode_with_places(load_tokenizer(tokenizer_json, 32), texts)

    assert isinstance(predictor, SpanPredictor)
    for ids, logits in zip(tokens, predictor.token_logits(tokens), strict=True):
        tokens_1T = torch.tensor([ids])
        with torch.inference_mode():
            expected = model(tokens_1T, torch.ones_like(tokens_1T))[0].numpy()
        assert logits.shape == (len(ids), 5)
        assert np.abs(logits - expected).max() < 1e-4


def test_spans_are_those_of_the_most_probable_tags(predictor, tokenizer_json, sentences):
    texts = [text for text, _ in sentences[:20]]
    tokens, places = encode_with_places(load_tokenizer(tokenizer_json, 32), texts)

    predictions = predictor.predict_cleaned(texts)

    expected = [
        [span._asdict() for span in spans_of(best_tags(logits, where), where, LABELS)]
        for logits, where in zip(predictor.token_logits(tokens), places, strict=True)
    ]
    assert [json.loads(answer) for answer in predictions.labels] == expected
    assert any(expected)
    assert predictions.probabilities.shape == (20, 2)
    assert not any(predictions.cut)


def test_places_count_characters_of_the_text_that_is_given(predictor, sentences):
    text = next(text for text, _ in sentences if json.loads(predictor.predict([text]).labels[0]))
    around = f"<b>  {text.replace(' ', '   ')}</b>"

    (plain,), (moved,) = predictor.predict([text]).labels, predictor.predict([around]).labels

    names = [text[one["start"] : one["end"]] for one in json.loads(plain)]
    assert [" ".join(around[one["start"] : one["end"]].split()) for one in json.loads(moved)] == names


def test_a_text_that_is_longer_than_the_model_reads_is_marked(predictor):
    predictions = predictor.predict_cleaned(["word " * 100, "word", ""])

    assert predictions.cut == (True, False, False)
    assert predictions.labels[2] == "[]"
