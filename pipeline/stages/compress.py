"""From a classifier to a candidate: a measured menu of variants, and the one that the written rule chooses."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.config import CompressConfig, EvaluateConfig
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet

if TYPE_CHECKING:
    from pipeline.core.compress.selection import MeasuredVariant, SliceDrop
    from pipeline.core.compress.speed import Speed
    from pipeline.core.compress.variants import CompressedModel, VariantFactory
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.context import StageContext, TrainingContext

# Until a variant is chosen: its logits as they are, and no answer is uncertain.
UNFITTED = {"temperature": 1.0, "uncertain": 0.0}


def compress(
    classifier: Path,
    splits: Path,
    out: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: CompressConfig,
    judging: EvaluateConfig,
    training: "TrainingContext",
) -> Receipt:
    """Make the menu's variants, measure each against its parent on the validation split, and keep the one the rule chooses."""
    from pipeline.core.compress.selection import choose_variant, menu_document

    shop = workshop(classifier, splits, {"labels": list(labels), "max_tokens": max_tokens}, cfg, training)
    valid, threads = shop.sides["valid"], training.profile.threads
    made = {recipe.name: shop.make(recipe) for recipe in cfg.menu}
    predictors = {name: _predictor(one, shop.settings, threads) for name, one in made.items()}
    logits = {
        name: predictor.logits([record.text for record in valid]) for name, predictor in predictors.items()
    }
    variants = measured(shop, made, logits, timed(predictors, shop), judging)
    whole = next(variant for variant in variants if variant.name == cfg.teacher)
    choice = choose_variant(variants, cfg.budget, whole=cfg.teacher)
    fitted = _fitted(logits[choice.chosen], shop.numbers(valid), cfg)
    with files.staging_dir(out) as staging:
        _write_served(
            staging, made[choice.chosen], {**shop.settings, **fitted, "variant": choice.chosen}, training.seed
        )
        figures = {name: getattr(whole, name) for name in ("macro_f1", "parameters", "megabytes")}
        files.write_json(
            staging / "menu.json", menu_document(variants, choice, parent=figures, threads=threads)
        )
        receipt = files.write_receipt(staging, _receipt(variants, choice.chosen, shop.sides))
    shop.forget()
    return receipt


def workshop(
    classifier: Path,
    splits: Path,
    settings: Mapping[str, Any],
    cfg: CompressConfig,
    training: "TrainingContext",
) -> "VariantFactory":
    """Open a workshop on a trained classifier; `settings` are the labels and the most tokens a text may have."""
    from pipeline.core.compress.variants import VariantFactory

    parent, texts = (
        files.verified_receipt(classifier, made_by="finetune"),
        files.verified_receipt(splits, made_by="split"),
    )
    return VariantFactory(
        parent=_read_classifier(classifier, len(settings["labels"])),
        tokenizer=(classifier / "tokenizer.json").read_text("utf-8"),
        settings={**settings, "parent": parent.files["model.safetensors"], **UNFITTED},
        sides={side: parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")},
        digests=[dict(parent.files), dict(texts.files)],
        cfg=cfg,
        train=training.train,
        checkpoint_store=training.checkpoint_store,
        seed=training.seed,
        threads=training.profile.threads,
    )


def _read_classifier(folder: Path, labels: int) -> Any:
    from safetensors.torch import load

    from pipeline.core.model.encoder import build_encoder
    from pipeline.core.model.heads import Classifier

    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0)
    model = Classifier(encoder, labels, dropout=0.0, seed=0)
    model.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    return model.eval()


def _predictor(made: "CompressedModel", settings: Mapping[str, Any], threads: int) -> "Predictor":
    from pipeline.core.model.predictor import Predictor

    return Predictor.of(made.model, made.tokenizer, settings, threads=threads)


def timed(predictors: "Mapping[str, Predictor]", shop: "VariantFactory") -> "dict[str, Speed]":
    """Measure how fast variants answer texts of the validation split."""
    from pipeline.core.compress.speed import measure_speeds
    from pipeline.core.compress.variants import evenly_spaced

    texts = [record.text for record in evenly_spaced(shop.sides["valid"], shop.cfg.benchmark_texts)]
    return measure_speeds(predictors, texts, clock=time.perf_counter)


def measured(
    shop: "VariantFactory",
    made: "Mapping[str, CompressedModel]",
    logits: Mapping[str, Any],
    speed: "Mapping[str, Speed]",
    judging: EvaluateConfig,
) -> "list[MeasuredVariant]":
    """Measure every variant beside its parent."""
    from pipeline.core.compress.selection import MeasuredVariant
    from pipeline.core.evaluate.metrics import score
    from pipeline.core.evaluate.slices import slice_members

    valid, labels = shop.sides["valid"], len(shop.settings["labels"])
    slices = slice_members(
        [r.text for r in valid], [r.source for r in valid], [r.lang for r in valid], judging
    )
    truth, parents, variants = shop.numbers(valid), logits[shop.cfg.teacher].argmax(1), []
    for name, one in made.items():
        guesses = logits[name].argmax(1)
        variants.append(
            MeasuredVariant(
                name=name,
                recipe=one.recipe.model_dump(exclude={"name"}),
                parameters=one.parameters,
                megabytes=(len(one.model) + len(one.tokenizer.encode())) / 1e6,
                macro_f1=score(truth, guesses, labels),
                macro_f1_fall=score(truth, parents, labels) - score(truth, guesses, labels),
                worst_slice=_worst(truth, (parents, guesses), slices, labels),
                agreement=float((guesses == parents).mean()),
                **dataclasses.asdict(speed[name]),
            )
        )
    return variants


def _worst(
    truth: Any, answers: tuple[Any, Any], slices: Mapping[str, Sequence[int]], labels: int
) -> "SliceDrop":
    """Find the slice that loses most; all texts where there are too few for a slice."""
    from pipeline.core.compress.selection import SliceDrop
    from pipeline.core.evaluate.metrics import score

    def fall(rows: Any) -> float:
        before, after = (score(truth[rows], answer[rows], labels) for answer in answers)
        return before - after

    falls = {name: fall(rows) for name, rows in slices.items()} or {"all texts": fall(slice(None))}
    worst = max(falls, key=falls.__getitem__)
    return SliceDrop(worst, falls[worst])


def _fitted(logits_NL: Any, truth_N: Any, cfg: CompressConfig) -> dict[str, float]:
    """Fit to the validation split by what the logits are divided, and below which probability an answer is uncertain."""
    import numpy as np

    from pipeline.core.evaluate.calibration import fit_temperature
    from pipeline.core.model.predictor import softmax

    temperature = fit_temperature(logits_NL, truth_N)
    confidence_N = softmax(logits_NL / temperature).max(axis=1)
    return {"temperature": temperature, "uncertain": float(np.quantile(confidence_N, cfg.uncertain_share))}


def _write_served(staging: Path, made: "CompressedModel", settings: Mapping[str, Any], seed: int) -> None:
    from pipeline.core.compress.golden_texts import golden_texts

    texts = golden_texts(made.tokenizer, seed)
    probabilities = _predictor(made, settings, threads=1).predict(texts).probabilities
    files.write_bytes(staging / "model.onnx", made.model)
    files.write_bytes(staging / "tokenizer.json", made.tokenizer.encode())
    files.write_json(staging / "model.json", settings)
    files.write_json(staging / "golden.json", {"texts": texts, "probabilities": probabilities.tolist()})


def _receipt(
    variants: "Sequence[MeasuredVariant]", chosen: str, sides: Mapping[str, Sequence[TextRecord]]
) -> Receipt:
    # No time: equal work leaves an equal receipt, but for the digest of the menu.
    told = ("macro_f1", "macro_f1_fall", "agreement", "megabytes")
    figures = {f"{variant.name}_{name}": getattr(variant, name) for variant in variants for name in told}
    return Receipt(
        "compress", {side: len(records) for side, records in sides.items()}, figures, {"variant": chosen}
    )


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return compress(
        context.folder("finetune"),
        context.folder("split"),
        context.folder("compress"),
        labels=params.collect.labels,
        max_tokens=params.encoder.max_tokens,
        cfg=params.compress,
        judging=params.evaluate,
        training=context.training_context("compress"),
    )
