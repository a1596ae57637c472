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
def exported(classifier):
    return export_onnx(classifier, max_tokens=32)


@pytest.fixture(scope="module")
def quantized(classifier, objective, int8):
    return quantize_model(classifier, objective.train.tokens, max_tokens=32, cfg=int8)


@pytest.mark.parametrize("shape", [(1, 5), (2, 16), (7, 32)])
def test_the_export_equals_its_teacher_at_every_shape_and_under_padding(classifier, exported, shape):
    from onnxruntime import InferenceSession

    tokens_BT = torch.randint(5, 60, shape, generator=torch.Generator().manual_seed(1))
    mask_BT = torch.ones_like(tokens_BT)
    mask_BT[-1, shape[1] // 2 + 1 :] = 0
    session = InferenceSession(exported, providers=["CPUExecutionProvider"])

    (found,) = session.run(["logits"], {"tokens": tokens_BT.numpy(), "mask": mask_BT.numpy()})

    with torch.inference_mode():
        assert np.allclose(found, classifier(tokens_BT, mask_BT).numpy(), atol=1e-4)


def test_exports_are_equal_bytes_without_paths_of_the_machine(
    classifier, objective, exported, quantized, int8, tmp_path
):
    assert exported == export_onnx(classifier, max_tokens=32)
    assert quantized == quantize_model(classifier, objective.train.tokens, max_tokens=32, cfg=int8)
    for content in (exported, quantized):
        onnx.checker.check_model(onnx.load_model_from_string(content))
        (tmp_path / "model.onnx").write_bytes(content)
        model_files.inspect_file(tmp_path / "model.onnx")
        assert b"site-packages" not in content
        assert b".py" not in content


def test_int8_is_much_smaller_and_predicts_the_same(
    classifier, objective, exported, quantized, tokenizer_json, sentences
):
    texts = [text for text, _ in sentences]
    predicted = Predictor.of(quantized, tokenizer_json, SETTINGS).logits(texts).argmax(1)

    # Matrices shrink to a quarter; what is left of a model this tiny is its graph.
    assert len(quantized) < 0.6 * len(exported)
    assert (predicted == predict_labels(classifier, objective.train.tokens)).mean() >= 0.98


@pytest.mark.parametrize("kind", ["fp32", "int8"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_prediction_does_not_depend_on_the_batch(
    exported, quantized, tokenizer_json, sentences, kind, threads
):
    predictor = Predictor.of(
        quantized if kind == "int8" else exported, tokenizer_json, SETTINGS, threads=threads
    )
    texts = [text for text, _ in sentences]

    together = predictor.predict(texts).probabilities
    alone = np.concatenate([predictor.predict([text]).probabilities for text in texts])

    assert np.allclose(together, alone, atol=1e-5)
    assert np.array_equal(predictor.predict(texts[::-1]).probabilities[::-1].argmax(1), together.argmax(1))


def test_the_predictor_cleans_texts_and_keeps_their_order(exported, tokenizer_json, tokenizer):
    predictor = Predictor.of(exported, tokenizer_json, SETTINGS)

    plain = predictor.predict(["a good film", "an awful meal", "a great song"])
    dirty = predictor.predict(["  a <b>good</b>\u200b film", "an awful&nbsp;meal", "a great song"])

    assert plain.labels == dirty.labels == ("good", "bad", "good")
    assert np.allclose(plain.probabilities.sum(1), 1.0)
    assert encode(tokenizer, ["a good film"]) == encode(tokenizer, ["A GOOD film"])


def test_a_long_text_and_no_text_are_predicted(exported, tokenizer_json):
    predictor = Predictor.of(exported, tokenizer_json, SETTINGS)

    assert predictor.predict([]).labels == ()
    assert len(predictor.predict(["good " * 5000, "", "\u4f60\u597d 🙂"]).labels) == 3


def test_temperature_softens_and_the_threshold_marks_uncertain_predictions(exported, tokenizer_json):
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


def test_texts_of_equal_length_share_a_batch_and_none_is_lost():
    rows = list(length_batches([3, 5, 3, 3, 5, 9], threads=2))

    assert sorted(row for batch in rows for row in batch) == [0, 1, 2, 3, 4, 5]
    assert rows[0] == [5]
    assert [0, 2] in rows


def test_golden_texts_are_words_of_the_tokenizer_alone(tokenizer_json, sentences):
    texts = golden_texts(tokenizer_json, 20)

    assert (len(texts), texts) == (32, golden_texts(tokenizer_json, 20))
    assert texts != golden_texts(tokenizer_json, 21)
    assert not set(texts) & {text for text, _ in sentences}
    assert (len(texts[0].split()), len(texts[-1].split())) == (3, 24)
