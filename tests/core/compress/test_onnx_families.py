"""The export of every family equals torch, in float and, on a scale of its own, in int8."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tiny_starts import CONFIGS, tokenizer_of, weights_of

from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.compress.quantization import quantize_model
from pipeline.core.model.encoder import build_encoder
from pipeline.core.model.heads import Classifier
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.published import encoder_config
from pipeline.io.params_file import load_params
from pipeline.io.security import model_files

MAX_TOKENS = 64
SETTINGS = {"labels": ["bad", "fine", "good"], "max_tokens": MAX_TOKENS, "temperature": 1.0, "uncertain": 0.0}
TEXTS = [
    "a good film",
    "an awful, dreadful meal that was for all of us",
    "song",
    "a garden in the early spring " * 9,
    "好 😀",
]
Run = Callable[[bytes, torch.Tensor, torch.Tensor], Any]


@pytest.fixture(scope="module", params=list(CONFIGS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str) -> Classifier:
    """Return a random classifier whose logits are far from 0."""
    config = encoder_config(CONFIGS[name], where=name)
    encoder = build_encoder(config, dropout=0.0, seed=0, weights=weights_of(name))
    classifier = Classifier(encoder, 3, dropout=0.0, seed=1).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(50)
    return classifier


@pytest.fixture(scope="module")
def exported(model: Classifier) -> bytes:
    return export_onnx(model, max_tokens=MAX_TOKENS)


@pytest.mark.parametrize("shape", [(1, 1), (2, 16), (5, MAX_TOKENS)])
def test_an_export_equals_torch_at_every_length_and_under_padding(
    model: Classifier, exported: bytes, shape: tuple[int, int]
) -> None:
    from onnxruntime import InferenceSession

    tokens_BT = torch.randint(4, 300, shape, generator=torch.Generator().manual_seed(1))
    mask_BT = torch.ones_like(tokens_BT)
    mask_BT[-1, shape[1] // 2 + 1 :] = 0
    session = InferenceSession(exported, providers=["CPUExecutionProvider"])

    (found,) = session.run(["logits"], {"tokens": tokens_BT.numpy(), "mask": mask_BT.numpy()})

    with torch.inference_mode():
        expected = model(tokens_BT, mask_BT).numpy()
    assert np.abs(expected).max() > 0.5
    assert np.allclose(found, expected, atol=1e-4)


def test_exports_are_equal_bytes_that_may_be_served(model: Classifier, exported: bytes, tmp_path) -> None:
    assert exported == export_onnx(model, max_tokens=MAX_TOKENS)
    onnx.checker.check_model(onnx.load_model_from_string(exported))
    (tmp_path / "model.onnx").write_bytes(exported)
    model_files.inspect_file(tmp_path / "model.onnx")
    assert b".py" not in exported


def test_int8_is_near_and_does_not_depend_on_the_batch(
    name: str, model: Classifier, exported: bytes, root
) -> None:
    generator = torch.Generator().manual_seed(4)
    texts = [
        torch.randint(4, 300, (length,), generator=generator).tolist()
        for length in (5, 9, 9, 30, MAX_TOKENS) * 8
    ]
    cfg = load_params(root / "params.yaml").compress.int8
    quantized = quantize_model(model, texts, max_tokens=MAX_TOKENS, cfg=cfg)
    document = tokenizer_of(name)
    exact = Predictor.of(exported, document, SETTINGS)
    predictor = Predictor.of(quantized, document, SETTINGS)

    together = predictor.logits([*TEXTS, "a good song", "a bad song"])[: len(TEXTS)]
    alone = np.concatenate([predictor.logits([text]) for text in TEXTS])

    assert len(quantized) < 0.75 * len(exported)
    assert np.allclose(together, alone, atol=1e-4)
    # Random weights have no clear labels: the stage's test holds trained ones to the same predictions.
    assert np.abs(together - exact.logits(TEXTS)).mean() < 0.2 * np.abs(exact.logits(TEXTS)).mean()
