"""A candidate that is real to every reader (ONNX, tokenizer, settings) and yet says exactly what a test wants it to say."""

import json
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
SURE = 3.0
GOLDEN_WORDS = 32


def candidate(
    folder: Path,
    answers: Mapping[str, str],
    *,
    labels: Sequence[str] = LABELS,
    cost: Mapping[str, float] | None = None,
) -> None:
    """Write a candidate folder that answers each word with its label, and any other word with nothing but doubt."""
    words = {"[PAD]": 0, "[UNK]": 1, **{word: number for number, word in enumerate(answers, start=2)}}
    weights = np.zeros((len(words), len(labels)), dtype=np.float32)
    for word, label in answers.items():
        weights[words[word], list(labels).index(label)] = SURE
    settings = {
        "labels": list(labels),
        "max_tokens": 8,
        "variant": "fp32",
        "temperature": 1.0,
        "uncertain": 0.4,
        "parent": "p" * 64,
    }
    model, tokenizer = _model(weights), _tokenizer(words)
    with files.staging_dir(folder) as staging:
        files.write_bytes(staging / "model.onnx", model)
        files.write_bytes(staging / "tokenizer.json", tokenizer.encode())
        files.write_json(staging / "model.json", settings)
        files.write_json(
            staging / "golden.json", _golden(Predictor.of(model, tokenizer, settings), list(answers))
        )
        files.write_json(staging / "menu.json", _menu(cost or {}))
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


def _menu(cost: Mapping[str, float]) -> dict[str, Any]:
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
        "macro_f1_fall": 0.0,
        "worst_slice": {"name": "source=tweet", "fall": 0.0},
        "agreement": 1.0,
        "p50_ms": 0.1,
        "p95_ms": 0.2,
        "p50_ms_32": 1.0,
        "p95_ms_32": 2.0,
        "texts_per_second": 9000.0,
        "fits": True,
        "reason": "The parent itself.",
        "pareto": True,
        **cost,
    }
    parent = {"macro_f1": 0.9, "parameters": 900, "megabytes": 0.1}
    return json.loads(
        json.dumps(
            {
                "threads": 1,
                "reasons": ["The parent itself."],
                "chosen": "fp32",
                "parent": parent,
                "variants": [variant],
            }
        )
    )


def assert_sound(folder: Path) -> None:
    """Check what `candidate` wrote as any reader of ONNX would."""
    onnx.checker.check_model(onnx.load_model_from_string((folder / "model.onnx").read_bytes()))
