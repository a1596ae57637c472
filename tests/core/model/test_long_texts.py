"""Long texts: the head, head and tail, or windows whose logits are pooled, alike in training and service."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_starts import TEXTS, byte_tokenizer, word_tokenizer

from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.model.coverage import measure_coverage
from pipeline.core.model.encoder import WINDOW_TOKENS, build_encoder, scratch_config
from pipeline.core.model.heads import Classifier
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.tokenizer import encode_and_mark_cut, load_tokenizer, split_windows, vocabulary_size
from pipeline.core.train.objectives import predict_labels

LENGTH = 12
DOCUMENTS = {"words": word_tokenizer(0), "bytes": byte_tokenizer()}
SETTINGS = {"labels": ["bad", "good"], "max_tokens": LENGTH, "temperature": 1.0, "uncertain": 0.0}
WORDS = st.lists(st.sampled_from(["good", "bad", "film", "xyz", ",", "[SEP]", "<s>"]), max_size=40)


@given(WORDS, st.sampled_from(list(DOCUMENTS)))
def test_windows_hold_every_piece_and_head_and_tail_its_ends(words: list[str], kind: str) -> None:
    text = " ".join(words)
    tokenizer = load_tokenizer(DOCUMENTS[kind], LENGTH)
    whole = load_tokenizer(DOCUMENTS[kind], 10_000).encode(text).ids
    first, last, pieces = whole[0], whole[-1], whole[1:-1]
    room = LENGTH - 2

    (ids,), (cut,) = encode_and_mark_cut(tokenizer, [text], "windows")
    windows, owners = split_windows([ids], LENGTH)
    (ends,), (is_cut,) = encode_and_mark_cut(tokenizer, [text], "head_tail")

    assert set(owners) == {0}
    assert not cut
    assert is_cut == (len(pieces) > room)
    if not is_cut:
        assert ids == ends == whole
        return
    assert all(len(one) == LENGTH and one[0] == first and one[-1] == last for one in windows)
    assert len(windows) == -(-len(pieces) // room)
    inner = [list(one[1:-1]) for one in windows]
    assert [piece for one in inner[:-1] for piece in one] == pieces[: room * (len(windows) - 1)]
    assert inner[-1] == pieces[-room:]
    assert ends == [first, *pieces[: room // 4], *pieces[-(room - room // 4) :], last]


@pytest.fixture(scope="module")
def model() -> Classifier:
    """Return a random classifier that divides long rows into windows."""
    config = scratch_config(
        vocabulary=vocabulary_size(DOCUMENTS["words"]),
        width=32,
        layers=1,
        heads=2,
        feed_forward=32,
        max_tokens=LENGTH,
    )
    encoder = build_encoder({**config, WINDOW_TOKENS: LENGTH}, dropout=0.0, seed=2)
    classifier = Classifier(encoder, 2, dropout=0.0, seed=2).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(100)
    return classifier


def test_training_and_service_pool_the_same_windows(model: Classifier) -> None:
    texts = [*TEXTS, "good", " ".join(TEXTS), "bad " * 50]
    tokenizer = load_tokenizer(DOCUMENTS["words"], LENGTH)
    tokens, _ = encode_and_mark_cut(tokenizer, texts, "windows")
    predictor = Predictor.of(
        export_onnx(model, max_tokens=LENGTH), DOCUMENTS["words"], {**SETTINGS, "long_texts": "windows"}
    )

    found = predictor.logits(texts)
    with torch.inference_mode():
        for row, ids in enumerate(tokens):
            windows = [ids[start : start + LENGTH] for start in range(0, len(ids), LENGTH)]
            each = [model(torch.tensor([one]), torch.ones(1, len(one), dtype=torch.long)) for one in windows]
            assert np.allclose(found[row], torch.stack(each).mean(0)[0].numpy(), atol=1e-4)

    assert max(map(len, tokens)) == 5 * LENGTH
    # Padded to the longest of a batch, as in training.
    assert np.array_equal(predict_labels(model, tokens), found.argmax(1))
    assert np.allclose(predictor.embed(texts).shape, (len(texts), 32))


@pytest.mark.parametrize(("long_texts", "cut"), [("head", True), ("head_tail", True), ("windows", False)])
def test_the_note_of_a_cut_is_true(model: Classifier, long_texts: str, cut: bool) -> None:
    settings = {**SETTINGS, "long_texts": long_texts}
    predictor = Predictor.of(export_onnx(model, max_tokens=LENGTH), DOCUMENTS["words"], settings)

    assert predictor.predict(["good", "bad " * 30]).cut == (False, cut)


def test_the_end_of_a_text_counts_but_for_the_head(model: Classifier) -> None:
    content = export_onnx(model, max_tokens=LENGTH)
    texts = ["good film " * 20 + end for end in ("dreadful", "superb")]
    differs = {}
    for long_texts in ("head", "head_tail", "windows"):
        predictor = Predictor.of(content, DOCUMENTS["words"], {**SETTINGS, "long_texts": long_texts})
        first, second = predictor.logits(texts)
        differs[long_texts] = bool(np.abs(first - second).max() > 1e-6)

    assert differs == {"head": False, "head_tail": True, "windows": True}


def test_words_that_are_not_read_are_counted() -> None:
    text = " ".join(["good"] * 30)
    counts = {
        long_texts: measure_coverage(
            DOCUMENTS["words"], [text], max_tokens=LENGTH, sample_texts=9, long_texts=long_texts
        )
        for long_texts in ("head", "head_tail", "windows")
    }

    assert {key: (one.cut_texts, one.cut_words) for key, one in counts.items()} == {
        "head": (1, 20),
        "head_tail": (1, 20),
        "windows": (0, 0),
    }
