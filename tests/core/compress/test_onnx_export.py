import numpy as np
import onnx
import pytest
import torch

from pipeline.core.compress.golden_texts import golden_texts
from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.compress.quantization import quantize_model
from pipeline.core.model.predictor import Predictor, length_batches
from pipeline.core.model.tokenizer import encode
from pipeline.core.train.objectives import predict_labels
from pipeline.io.params_file import load_params
from pipeline.io.security import model_files

SETTINGS = {"labels": ["bad", "good"], "max_tokens": 32, "temperature": 1.0, "uncertain": 0.0}


@pytest.fixture(scope="module")
def int8(root):
    return load_params(root / "params.yaml").compress.int8


@pytest.fixture(scope="module")
def exported(taught):
    return export_onnx(taught, max_tokens=32)


@pytest.fixture(scope="module")
def quantised(taught, method, int8):
    return quantize_model(taught, method.train, max_tokens=32, cfg=int8)


@pytest.mark.parametrize("shape", [(1, 5), (2, 16), (7, 32)])
def test_the_export_answers_as_its_parent_at_every_shape_and_under_padding(taught, exported, shape):
    from onnxruntime import InferenceSession

    tokens_BT = torch.randint(5, 60, shape, generator=torch.Generator().manual_seed(1))
    mask_BT = torch.ones_like(tokens_BT)
    mask_BT[-1, shape[1] // 2 + 1 :] = 0
    session = InferenceSession(exported, providers=["CPUExecutionProvider"])

    (found,) = session.run(["logits"], {"tokens": tokens_BT.numpy(), "mask": mask_BT.numpy()})

    with torch.inference_mode():
        assert np.allclose(found, taught(tokens_BT, mask_BT).numpy(), atol=1e-4)


def test_exports_hold_no_path_of_this_machine_and_are_equal_bytes_twice(
    taught, method, exported, quantised, int8, tmp_path
):
    assert exported == export_onnx(taught, max_tokens=32)
    assert quantised == quantize_model(taught, method.train, max_tokens=32, cfg=int8)
    for content in (exported, quantised):
        onnx.checker.check_model(onnx.load_model_from_string(content))
        (tmp_path / "model.onnx").write_bytes(content)
        model_files.inspect_file(tmp_path / "model.onnx")
        assert b"site-packages" not in content
        assert b".py" not in content


def test_int8_is_much_smaller_and_answers_the_same(
    taught, method, exported, quantised, tokenizer_json, sentences
):
    texts = [text for text, _ in sentences]
    guesses = Predictor.of(quantised, tokenizer_json, SETTINGS).logits(texts).argmax(1)

    # Matrices shrink to a quarter; what is left of a model this tiny is its graph.
    assert len(quantised) < 0.6 * len(exported)
    assert (guesses == predict_labels(taught, method.train)).mean() >= 0.98


@pytest.mark.parametrize("kind", ["fp32", "int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_text_has_one_answer_whoever_is_asked_beside_it(
    exported, quantised, tokenizer_json, sentences, kind, threads
):
    predictor = Predictor.of(
        quantised if kind == "int8" else exported, tokenizer_json, SETTINGS, threads=threads
    )
    texts = [text for text, _ in sentences]

    together = predictor.predict(texts).probabilities
    alone = np.concatenate([predictor.predict([text]).probabilities for text in texts])

    assert np.allclose(together, alone, atol=1e-5)
    assert np.array_equal(predictor.predict(texts[::-1]).probabilities[::-1].argmax(1), together.argmax(1))


def test_the_predictor_cleans_as_training_did_and_keeps_the_order(exported, tokenizer_json, tokenizer):
    predictor = Predictor.of(exported, tokenizer_json, SETTINGS)

    plain = predictor.predict(["a good film", "an awful meal", "a great song"])
    dirty = predictor.predict(["  a <b>good</b>\u200b film", "an awful&nbsp;meal", "a great song"])

    assert plain.labels == dirty.labels == ("good", "bad", "good")
    assert np.allclose(plain.probabilities.sum(1), 1.0)
    assert encode(tokenizer, ["a good film"]) == encode(tokenizer, ["A GOOD film"])


def test_a_long_text_and_no_text_are_answered(exported, tokenizer_json):
    predictor = Predictor.of(exported, tokenizer_json, SETTINGS)

    assert predictor.predict([]).labels == ()
    assert len(predictor.predict(["good " * 5000, "", "\u4f60\u597d 🙂"]).labels) == 3


def test_the_temperature_softens_and_an_answer_below_the_threshold_is_uncertain(exported, tokenizer_json):
    sharp = Predictor.of(exported, tokenizer_json, SETTINGS).predict(["a good film"])
    soft = Predictor.of(
        exported, tokenizer_json, {**SETTINGS, "temperature": 4.0, "uncertain": 0.999}
    ).predict(["a good film"])

    assert soft.labels == sharp.labels
    assert soft.probabilities.max() < sharp.probabilities.max()
    assert np.allclose(
        np.log(soft.probabilities[0, 1] / soft.probabilities[0, 0]) * 4,
        np.log(sharp.probabilities[0, 1] / sharp.probabilities[0, 0]),
    )
    assert (sharp.uncertain, soft.uncertain) == ((False,), (True,))


def test_texts_of_one_length_stand_together_and_every_text_once():
    rows = list(length_batches([3, 5, 3, 3, 5, 9], threads=2))

    assert sorted(row for batch in rows for row in batch) == [0, 1, 2, 3, 4, 5]
    assert rows[0] == [5]
    assert [0, 2] in rows


def test_golden_texts_are_words_of_the_tokenizer_and_nobodys_text(tokenizer_json, sentences):
    texts = golden_texts(tokenizer_json, 20)

    assert (len(texts), texts) == (32, golden_texts(tokenizer_json, 20))
    assert texts != golden_texts(tokenizer_json, 21)
    assert not set(texts) & {text for text, _ in sentences}
    assert (len(texts[0].split()), len(texts[-1].split())) == (3, 24)
