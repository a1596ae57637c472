"""From a classifier to a candidate: what will be served."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import CompressConfig
from pipeline.schema import Receipt, Record
from pipeline.storage import files, tables

if TYPE_CHECKING:
    from pipeline.compress.choice import Variant


def compress(classifier: Path, splits: Path, out: Path, *, labels: Sequence[str], max_tokens: int, cfg: CompressConfig) -> Receipt:
    """Export the classifier, measure its variants against it on the validation split, and keep the one the rule chooses."""
    from pipeline.compress.choice import choose
    from pipeline.compress.export import export
    from pipeline.compress.quantize import quantize

    parent = files.trusted(classifier, made_by="finetune")
    files.trusted(splits, made_by="split")
    valid = tables.read_texts(splits / "valid.parquet")
    model, tokenizer = _read_classifier(classifier, len(labels)), (classifier / "tokenizer.json").read_text("utf-8")
    exported = export(model)
    contents = {"fp32": exported, **({"int8": quantize(exported)} if "int8" in cfg.variants else {})}
    settings: dict[str, Any] = {"labels": list(labels), "max_tokens": max_tokens}
    variants = _measure(contents, model, tokenizer, settings, valid)
    choice = choose(variants, cfg)
    settings |= {"variant": choice.chosen, "parent": parent.files["model.safetensors"], "reasons": list(choice.reasons)}
    with files.whole(out) as desk:
        files.write_bytes(desk / "model.onnx", contents[choice.chosen])
        files.write_bytes(desk / "tokenizer.json", tokenizer.encode())
        files.write_json(desk / "model.json", settings)
        files.write_json(desk / "variants.json", [dataclasses.asdict(variant) for variant in variants])
        figures = {f"{v.name}_{key}": value for v in variants for key, value in dataclasses.asdict(v).items() if key != "name"}
        return files.write_receipt(desk, Receipt("compress", {"valid": len(valid)}, figures, {"variant": choice.chosen}))


def _read_classifier(folder: Path, labels: int) -> Any:
    from safetensors.torch import load

    from pipeline.model.encoder import build_encoder
    from pipeline.model.heads import Classifier

    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0)
    model = Classifier(encoder, labels, dropout=0.0, seed=0)
    model.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    return model.eval()


def _measure(
    contents: Mapping[str, bytes], parent: Any, tokenizer: str, settings: Mapping[str, Any], valid: Sequence[Record]
) -> "list[Variant]":
    import numpy as np

    from pipeline.compress.choice import Variant
    from pipeline.evaluate.metrics import score
    from pipeline.model.predictor import Predictor
    from pipeline.model.tokenizer import encode, load_tokenizer
    from pipeline.train.methods import guess

    labels, texts = settings["labels"], [record.text for record in valid]
    truth = np.array([labels.index(record.label) for record in valid])
    parents = guess(parent, encode(load_tokenizer(tokenizer, settings["max_tokens"]), texts))
    full, variants = score(truth, parents, len(labels)), []
    for name, content in contents.items():
        guesses = Predictor.of(content, tokenizer, {**settings, "variant": name}).logits(texts).argmax(1)
        f1, agreement = score(truth, guesses, len(labels)), float((guesses == parents).mean())
        variants.append(Variant(name, len(content) / 1e6, f1, full - f1, agreement))
    return variants
