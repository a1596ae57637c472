"""Integrated gradients on tiny models of every family: the parts add up, and belong to the right words."""

import numpy as np
import pytest
import tiny_starts
import torch
from toy import LABELS

from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.explain.gradients import TorchTwin, attribute_tokens, explain_by_gradients
from pipeline.core.model.encoder import build_encoder
from pipeline.core.model.heads import Classifier
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.published import encoder_config
from pipeline.core.model.special_tokens import mask_id
from pipeline.core.model.tokenizer import encode, encode_with_spans, load_tokenizer

TEXT = "What a lovely, superb film; nobody thinks that the hotel room is awful"
LONG = " ".join([TEXT] * 3)


def twin_of(name, *, long_texts="head", max_tokens=32):
    """Return a classifier of a family whose logits differ by whole units."""
    weights = tiny_starts.weights_of(name)
    config = encoder_config(tiny_starts.CONFIGS[name], where=name)
    model = Classifier(build_encoder(config, dropout=0.0, seed=0, weights=weights), 3, dropout=0.0, seed=4)
    with torch.no_grad():
        model.head.weight.mul_(50)
    tokenizer = load_tokenizer(tiny_starts.tokenizer_of(name), max_tokens)
    return TorchTwin(model.eval(), tokenizer, long_texts)


def logits(twin, tokens):
    with torch.no_grad():
        return twin.model(torch.tensor([tokens]), torch.ones(1, len(tokens), dtype=torch.long))[0]


@pytest.mark.parametrize("name", tiny_starts.CONFIGS)
def test_the_parts_add_up_to_the_difference_to_the_masked_text(name):
    twin = twin_of(name)
    (tokens,) = encode(twin.tokenizer, [TEXT])
    special = [piece.end == 0 for piece in encode_with_spans(twin.tokenizer, TEXT)]
    masked = [old if keep else mask_id(twin.tokenizer) for old, keep in zip(tokens, special, strict=True)]

    for label in (0, 2):
        found = attribute_tokens(twin, TEXT, label)
        difference = float((logits(twin, tokens) - logits(twin, masked))[label])

        assert abs(difference) > 0.05
        assert found.difference == pytest.approx(difference, abs=1e-4)
        assert sum(found.parts) == pytest.approx(difference, rel=0.02)
        # The ends of a text are not masked, and so have no part.
        assert [part for part, keep in zip(found.parts, special, strict=True) if keep] == [0.0, 0.0]


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v3"])
@pytest.mark.parametrize("long_texts", ["head", "head_tail", "windows"])
def test_the_tokens_with_spans_are_those_that_the_model_reads(name, long_texts):
    tokenizer = load_tokenizer(tiny_starts.tokenizer_of(name), 16)

    for text in (TEXT, LONG, "", "film", "naïve café"):
        (tokens,) = encode(tokenizer, [text], long_texts)
        pieces = encode_with_spans(tokenizer, text, long_texts)

        assert [piece.token for piece in pieces] == tokens
        assert all(piece.start <= piece.end <= len(text) for piece in pieces if piece.end)


@pytest.fixture(scope="module")
def bert():
    return twin_of("bert")


def predictor_of(twin, *, max_tokens=32):
    settings = {
        "labels": list(LABELS),
        "max_tokens": max_tokens,
        "temperature": 1.0,
        "uncertain": 0.0,
        "long_texts": twin.long_texts,
    }
    model = export_onnx(twin.model, max_tokens=max_tokens)
    return Predictor.of(model, tiny_starts.tokenizer_of("bert"), settings)


def test_the_words_are_those_of_the_text_and_their_weights_add_up(bert):
    explanation = explain_by_gradients(predictor_of(bert), bert, TEXT)

    label = LABELS.index(explanation.label)
    found = attribute_tokens(bert, TEXT, label)
    assert (explanation.method, explanation.further) == ("gradients", 0)
    assert [word.word for word in explanation.words] == TEXT.split()
    assert sum(word.weight for word in explanation.words) == pytest.approx(sum(found.parts), abs=1e-5)


def test_a_word_that_the_head_reads_alone_has_the_whole_part(bert):
    """A model that sums a number for each token, so that each part is known."""
    twin = twin_of("bert")
    numbers = torch.linspace(-1, 1, twin.model.encoder.config.vocab_size)
    twin = TorchTwin(SumOfNumbers(twin.model.encoder, numbers), twin.tokenizer, "head")
    pieces = encode_with_spans(twin.tokenizer, "a good film")

    parts = attribute_tokens(twin, "a good film", 1).parts

    blank = float(numbers[mask_id(twin.tokenizer)])
    expected = [float(numbers[piece.token]) - blank if piece.end else 0.0 for piece in pieces]
    assert parts == pytest.approx(expected, abs=1e-5)


class SumOfNumbers(torch.nn.Module):
    """Let the logit of label 1 be the sum of the first embedding of each token."""

    def __init__(self, encoder, numbers):
        super().__init__()
        self.encoder = encoder
        with torch.no_grad():
            encoder.get_input_embeddings().weight[:, 0] = numbers

    def forward(self, tokens, mask):
        sum_B = self.encoder.get_input_embeddings()(tokens)[:, :, 0].sum(1)
        return torch.stack([torch.zeros_like(sum_B), sum_B], dim=1)


def test_a_long_text_is_explained_over_its_windows():
    twin = twin_of("bert", long_texts="windows", max_tokens=16)
    twin.model.encoder.config.window_tokens = 16
    (tokens,) = encode(twin.tokenizer, [LONG], "windows")
    assert len(tokens) > 32

    found = attribute_tokens(twin, LONG, 0)
    masked = [piece.token if not piece.end else mask_id(twin.tokenizer) for piece in found.pieces]

    assert float((logits(twin, tokens) - logits(twin, masked))[0]) == pytest.approx(
        found.difference, abs=1e-4
    )
    assert sum(found.parts) == pytest.approx(found.difference, rel=0.02)


def test_words_behind_the_last_one_that_is_read_have_no_weight(bert):
    explanation = explain_by_gradients(predictor_of(bert), bert, LONG)

    assert explanation.cut
    assert 0 < len(explanation.words) < len(LONG.split())
    assert len(explanation.words) + explanation.further == len(LONG.split())
    assert np.count_nonzero([word.weight for word in explanation.words]) == len(explanation.words)


@pytest.mark.parametrize("text", ["", "   ", "film"])
def test_a_text_of_one_word_or_none_is_explained(bert, text):
    explanation = explain_by_gradients(predictor_of(bert), bert, text)

    assert [word.word for word in explanation.words] == text.split()
