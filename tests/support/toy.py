"""A candidate with a real ONNX model, tokenizer and settings that predicts exactly what a test wants."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline.base.records import Receipt
from pipeline.core.model.predictor import Predictor
from pipeline.io import files

LABELS = ("negative", "neutral", "positive")
LOGIT = 3.0
GOLDEN_WORDS = 32


def candidate(
    folder: Path,
    predictions: Mapping[str, str],
    *,
    labels: Sequence[str] = LABELS,
    variant: Mapping[str, float] | None = None,
    settings: Mapping[str, object] | None = None,
) -> None:
    """Write a candidate folder that predicts a label for each of these words; others get equal logits.

    `settings` are further ones of the model, as its task.
    """
    words = {"[PAD]": 0, "[UNK]": 1, **{word: number for number, word in enumerate(predictions, start=2)}}
    weights = np.zeros((len(words), len(labels)), dtype=np.float32)
    for word, label in predictions.items():
        weights[words[word], list(labels).index(label)] = LOGIT
    settings = {
        **(settings or {}),
        "labels": list(labels),
        "max_tokens": 8,
        "variant": "fp32",
        "temperature": 1.0,
        "uncertain": 0.4,
        "teacher": "p" * 64,
    }
    model, tokenizer = _model(weights), _tokenizer(words)
    with files.staging_dir(folder) as staging:
        files.write_bytes(staging / "model.onnx", model)
        files.write_bytes(staging / "tokenizer.json", tokenizer.encode())
        files.write_json(staging / "model.json", settings)
        files.write_json(
            staging / "golden.json", _golden(Predictor.of(model, tokenizer, settings), list(predictions))
        )
        files.write_json(staging / "menu.json", _menu(variant or {}))
        files.write_receipt(staging, Receipt("compress"))


def _model(weights: Any) -> bytes:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "width"])
        for name in ("tokens", "mask")
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", weights.shape[1]])
    nodes = [
        helper.make_node("Gather", ["weights", "tokens"], ["looked_up"], axis=0),
        helper.make_node("Cast", ["mask"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["counted", "last"], ["weighed"]),
        helper.make_node("Mul", ["looked_up", "weighed"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["logits"], keepdims=0),
    ]
    constants = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.array([2], dtype=np.int64), "last"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "middle"),
    ]
    graph = helper.make_graph(nodes, "toy", inputs, [output], constants)
    return bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
        ).SerializeToString()
    )


def _tokenizer(words: Mapping[str, int]) -> str:
    tokenizer = Tokenizer(models.WordLevel(dict(words), unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return str(tokenizer.to_str())


def _golden(predictor: Predictor, words: Sequence[str]) -> dict[str, Any]:
    texts = [words[number % len(words)] for number in range(GOLDEN_WORDS)]
    return {"texts": texts, "probabilities": predictor.predict(texts).probabilities.tolist()}


def _menu(measured: Mapping[str, float]) -> dict[str, Any]:
    variant = {
        "name": "fp32",
        "recipe": {
            "layers": 1.0,
            "heads": 1.0,
            "feed_forward": 1.0,
            "vocabulary_min_count": None,
            "int8": False,
        },
        "parameters": 900,
        "megabytes": 0.1,
        "macro_f1": 0.9,
        "macro_f1_drop": 0.0,
        "worst_slice": {"name": "source=tweet", "drop": 0.0},
        "agreement": 1.0,
        "p50_ms": 0.1,
        "p95_ms": 0.2,
        "p50_ms_32": 1.0,
        "p95_ms_32": 2.0,
        "texts_per_second": 9000.0,
        "fits": True,
        "reason": "The teacher itself.",
        "pareto": True,
        **measured,
    }
    teacher = {"macro_f1": 0.9, "parameters": 900, "megabytes": 0.1}
    return {
        "threads": 1,
        "teacher": teacher,
        "chosen": "fp32",
        "reasons": ["The teacher itself."],
        "variants": [variant],
    }


def assert_sound(folder: Path) -> None:
    """Check the model that `candidate` wrote with ONNX itself."""
    onnx.checker.check_model(onnx.load_model_from_string((folder / "model.onnx").read_bytes()))
