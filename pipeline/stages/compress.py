"""Compress: measure a menu of variants of the classifier, and write the candidate that the rule chooses."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import CompressConfig, EvaluateConfig
from pipeline.base.documents import ModelSettings, SliceDropRecord, VariantRecipe
from pipeline.base.records import Receipt
from pipeline.io import files, parquet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.compress.selection import MeasuredVariant
    from pipeline.core.compress.speed import Speed
    from pipeline.core.compress.variants import CompressedModel, VariantFactory
    from pipeline.core.model.heads import Classifier
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.context import StageContext, TrainingContext


def compress(
    classifier: Path,
    splits: Path,
    out: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: CompressConfig,
    slices: EvaluateConfig,
    training: "TrainingContext",
) -> Receipt:
    """Make the menu's variants, measure each against the teacher, and write the chosen one.

    All measurements are on the validation split; `slices` sets its slices.
    """
    from pipeline.core.compress.selection import choose_variant, menu_document

    factory = open_factory(
        classifier, splits, labels=labels, max_tokens=max_tokens, cfg=cfg, training=training
    )
    valid, threads = factory.splits["valid"], training.profile.threads
    models = {variant.name: factory.make(variant) for variant in cfg.menu}
    predictors = {name: open_model(model, factory.settings, threads) for name, model in models.items()}
    texts = [record.text for record in valid]
    logits = {name: predictor.logits(texts) for name, predictor in predictors.items()}
    variants = measure_variants(factory, models, logits, measure_speed(predictors, factory), slices)
    choice = choose_variant(variants, cfg.budget, teacher=cfg.teacher)
    teacher = next(variant for variant in variants if variant.name == cfg.teacher)
    temperature, uncertain = _calibrate(logits[choice.chosen], factory.labels_of(valid), cfg.uncertain_share)
    settings: ModelSettings = {
        **factory.settings,
        "temperature": temperature,
        "uncertain": uncertain,
        "variant": choice.chosen,
    }
    with files.staging_dir(out) as staging:
        _write_candidate(staging, models[choice.chosen], settings, seed=training.seed)
        menu = menu_document(variants, choice, teacher=teacher, threads=threads)
        files.write_json(staging / "menu.json", menu)
        receipt = files.write_receipt(staging, _receipt(variants, choice.chosen, factory))
    factory.delete_checkpoints()
    return receipt


def open_factory(
    classifier: Path,
    splits: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: CompressConfig,
    training: "TrainingContext",
) -> "VariantFactory":
    """Read a trained classifier and the splits into a factory of its variants."""
    from pipeline.core.compress.variants import VariantFactory

    teacher_files = files.verified_receipt(classifier, made_by="finetune").files
    split_files = files.verified_receipt(splits, made_by="split").files
    return VariantFactory(
        teacher=_read_classifier(classifier, len(labels)),
        tokenizer=(classifier / "tokenizer.json").read_text("utf-8"),
        # Until a variant is chosen its logits are not scaled, and no prediction is uncertain.
        settings={
            "labels": list(labels),
            "max_tokens": max_tokens,
            "teacher": teacher_files["model.safetensors"],
            "temperature": 1.0,
            "uncertain": 0.0,
        },
        splits={side: parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")},
        input_digests=[dict(teacher_files), dict(split_files)],
        cfg=cfg,
        train=training.train,
        checkpoint_store=training.checkpoint_store,
        seed=training.seed,
        threads=training.profile.threads,
    )


def open_model(model: "CompressedModel", settings: ModelSettings, threads: int) -> "Predictor":
    """Return the predictor of a variant."""
    from pipeline.core.model.predictor import Predictor

    return Predictor.of(model.model, model.tokenizer, settings, threads=threads)


def measure_speed(predictors: "Mapping[str, Predictor]", factory: "VariantFactory") -> "dict[str, Speed]":
    """Measure the speed of variants on texts of the validation split."""
    from pipeline.core.compress.speed import measure_speeds
    from pipeline.core.compress.variants import evenly_spaced

    records = evenly_spaced(factory.splits["valid"], factory.cfg.benchmark_texts)
    return measure_speeds(predictors, [record.text for record in records], clock=time.perf_counter)


def measure_variants(
    factory: "VariantFactory",
    models: "Mapping[str, CompressedModel]",
    logits: "Mapping[str, NDArray[np.float64]]",
    speeds: "Mapping[str, Speed]",
    cfg: EvaluateConfig,
) -> "list[MeasuredVariant]":
    """Measure every variant against the teacher by its logits (texts x labels) of the validation split."""
    from pipeline.core.compress.selection import MeasuredVariant
    from pipeline.core.evaluate.metrics import score
    from pipeline.core.evaluate.slices import slice_members

    valid, labels = factory.splits["valid"], len(factory.settings["labels"])
    slices = slice_members([r.text for r in valid], [r.source for r in valid], [r.lang for r in valid], cfg)
    truth_N, teacher_N = factory.labels_of(valid), logits[factory.cfg.teacher].argmax(1)
    variants = []
    for name, model in models.items():
        predicted_N = logits[name].argmax(1)
        macro_f1 = score(truth_N, predicted_N, labels)
        recipe: VariantRecipe = model.variant.model_dump(exclude={"name"})  # type: ignore[assignment]
        variants.append(
            MeasuredVariant(
                name=name,
                recipe=recipe,
                parameters=model.parameters,
                megabytes=model.megabytes,
                macro_f1=macro_f1,
                macro_f1_drop=score(truth_N, teacher_N, labels) - macro_f1,
                worst_slice=_worst_slice(truth_N, teacher_N, predicted_N, slices, labels=labels),
                agreement=float((predicted_N == teacher_N).mean()),
                speed=speeds[name],
            )
        )
    return variants


def _read_classifier(folder: Path, labels: int) -> "Classifier":
    from safetensors.torch import load

    from pipeline.core.model.encoder import build_encoder
    from pipeline.core.model.heads import Classifier

    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0)
    model = Classifier(encoder, labels, dropout=0.0, seed=0)
    model.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    return model.eval()


def _worst_slice(
    truth_N: "NDArray[np.int64]",
    teacher_N: "NDArray[np.int64]",
    predicted_N: "NDArray[np.int64]",
    slices: Mapping[str, Sequence[int]],
    *,
    labels: int,
) -> SliceDropRecord:
    """Return the slice with the largest drop; all texts where there are too few for a slice."""
    from pipeline.core.evaluate.metrics import score

    def drop(rows: Sequence[int] | slice) -> float:
        teacher = score(truth_N[rows], teacher_N[rows], labels)
        return teacher - score(truth_N[rows], predicted_N[rows], labels)

    drops = {name: drop(rows) for name, rows in slices.items()} or {"all texts": drop(slice(None))}
    worst = max(drops, key=drops.__getitem__)
    return {"name": worst, "drop": drops[worst]}


def _calibrate(
    logits_NL: "NDArray[np.float64]", truth_N: "NDArray[np.int64]", uncertain_share: float
) -> tuple[float, float]:
    """Fit the temperature, and the probability below which a prediction is uncertain."""
    import numpy as np

    from pipeline.core.evaluate.calibration import fit_temperature
    from pipeline.core.model.predictor import softmax

    temperature = fit_temperature(logits_NL, truth_N)
    confidence_N = softmax(logits_NL / temperature).max(axis=1)
    return temperature, float(np.quantile(confidence_N, uncertain_share))


def _write_candidate(staging: Path, model: "CompressedModel", settings: ModelSettings, *, seed: int) -> None:
    from pipeline.core.compress.golden_texts import golden_texts

    texts = golden_texts(model.tokenizer, seed)
    probabilities = open_model(model, settings, threads=1).predict(texts).probabilities
    files.write_bytes(staging / "model.onnx", model.model)
    files.write_bytes(staging / "tokenizer.json", model.tokenizer.encode())
    files.write_json(staging / "model.json", settings)
    files.write_json(staging / "golden.json", {"texts": texts, "probabilities": probabilities.tolist()})


def _receipt(variants: "Sequence[MeasuredVariant]", chosen: str, factory: "VariantFactory") -> Receipt:
    # No timings: equal work leaves an equal receipt, but for the digest of the menu.
    figures = {
        f"{variant.name}_{name}": float(value)
        for variant in variants
        for name, value in (
            ("macro_f1", variant.macro_f1),
            ("macro_f1_drop", variant.macro_f1_drop),
            ("agreement", variant.agreement),
            ("megabytes", variant.megabytes),
        )
    }
    counts = {side: len(records) for side, records in factory.splits.items()}
    return Receipt("compress", counts, figures, {"variant": chosen})


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
        slices=params.evaluate,
        training=context.training_context("compress"),
    )
