import numpy as np
import pytest
import torch

from pipeline.compress.choice import Variant, choose
from pipeline.compress.export import export
from pipeline.compress.quantize import quantize
from pipeline.config import CompressConfig
from pipeline.model.predictor import Predictor
from pipeline.model.tokenizer import encode
from pipeline.train.loop import Course, Share, fit
from pipeline.train.methods import guess
from pipeline.train.optim import make_optimizer

SETTINGS = {"labels": ["bad", "good"], "max_tokens": 32, "variant": "fp32"}
INT8 = {**SETTINGS, "variant": "int8"}


@pytest.fixture(scope="module")
def model(method):
    model = method.model()
    for _ in fit(model, method, make_optimizer(model, weight_decay=0.0), Course(60, 3e-3, 0.1, 1.0), Share(0, 1, 64)):
        pass
    return model.eval()


@pytest.mark.parametrize("shape", [(1, 5), (2, 16), (7, 31)])
def test_the_export_answers_as_its_parent_at_every_shape(model, shape):
    from onnxruntime import InferenceSession

    tokens_BT = torch.randint(5, 60, shape, generator=torch.Generator().manual_seed(1))
    mask_BT = torch.ones_like(tokens_BT)
    session = InferenceSession(export(model), providers=["CPUExecutionProvider"])

    (found,) = session.run(["logits"], {"tokens": tokens_BT.numpy(), "mask": mask_BT.numpy()})

    with torch.inference_mode():
        assert np.allclose(found, model(tokens_BT, mask_BT).numpy(), atol=1e-4)


def test_the_export_holds_no_path_of_this_machine_and_is_equal_bytes_twice(model):
    first = export(model)

    assert first == export(model)
    assert b"site-packages" not in first
    assert b".py" not in first


def test_int8_is_much_smaller_and_answers_the_same(model, method, tokenizer_json, sentences):
    exported = export(model)
    small = quantize(exported)
    texts = [text for text, _ in sentences]
    guesses = Predictor.of(small, tokenizer_json, INT8).logits(texts).argmax(1)

    # Matrices shrink to a quarter; what is left of a model this tiny is its graph.
    assert len(small) < 0.6 * len(exported)
    assert (guesses == guess(model, method.train)).mean() >= 0.98


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_a_text_has_one_answer_whoever_is_asked_beside_it(model, tokenizer_json, sentences, variant):
    exported = export(model)
    content, settings = (quantize(exported), INT8) if variant == "int8" else (exported, SETTINGS)
    predictor = Predictor.of(content, tokenizer_json, settings)
    texts = [text for text, _ in sentences]

    together = predictor.predict(texts).probabilities
    alone = np.concatenate([predictor.predict([text]).probabilities for text in texts])

    assert np.allclose(together, alone, atol=1e-5)


def test_the_predictor_cleans_as_training_did_and_keeps_the_order(model, tokenizer_json, tokenizer, sentences):
    predictor = Predictor.of(export(model), tokenizer_json, SETTINGS)

    plain = predictor.predict(["a good film", "an awful meal", "a great song"])
    dirty = predictor.predict(["  a <b>good</b>\u200b film", "an awful&nbsp;meal", "a great song"])

    assert plain.labels == dirty.labels == ("good", "bad", "good")
    assert np.allclose(plain.probabilities.sum(1), 1.0)
    assert encode(tokenizer, ["a good film"]) == encode(tokenizer, ["A GOOD film"])


def test_a_long_text_and_no_text_are_answered(model, tokenizer_json):
    predictor = Predictor.of(export(model), tokenizer_json, SETTINGS)

    assert predictor.predict([]).labels == ()
    assert len(predictor.predict(["good " * 5000, "", "\u4f60\u597d 🙂"]).labels) == 3


def rule(**changes):
    return CompressConfig(**{"variants": ("int8", "fp32"), "max_f1_fall": 0.01, "min_agreement": 0.95, **changes})


def test_the_first_variant_that_holds_is_chosen():
    variants = [Variant("fp32", 68.0, 0.740, 0.000, 1.0), Variant("int8", 17.0, 0.736, 0.004, 0.98)]

    choice = choose(variants, rule())

    assert choice.chosen == "int8"
    assert choice.reasons == ("int8 holds: macro F1 0.7360 (-0.0040), agreement 0.9800, 17.0 MB",)


def test_a_variant_that_collapsed_is_not_chosen_and_the_reason_is_told():
    variants = [Variant("fp32", 68.0, 0.94, 0.0, 1.0), Variant("int8", 17.0, 0.10, 0.84, 0.12)]

    choice = choose(variants, rule())

    assert choice.chosen == "fp32"
    assert choice.reasons[0] == "int8 does not hold: macro F1 falls by 0.8400, at most 0.0100 is allowed"


def test_a_variant_that_disagrees_too_often_is_not_chosen_even_at_equal_f1():
    variants = [Variant("fp32", 68.0, 0.74, 0.0, 1.0), Variant("int8", 17.0, 0.74, 0.0, 0.90)]

    assert choose(variants, rule()).chosen == "fp32"
    assert choose(variants, rule(variants=("int8",))).chosen == "fp32"
