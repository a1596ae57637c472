"""Compress: measure a menu of variants of the classifier, and write the candidate that the rule chooses."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.base.config import CompressConfig, EvaluateConfig
from pipeline.base.documents import CompressionMenu, MenuTexts, ModelSettings, VariantRecipe
from pipeline.base.documents.model import UNNAMED
from pipeline.base.records import Receipt, TextRecord
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.privacy.preparation import EARLIER, PREPARATION
from pipeline.core.split.groups import halve_by_group
from pipeline.io import files, parquet

if TYPE_CHECKING:
    from pipeline.core.compress.measurement import MeasuredVariant
    from pipeline.core.compress.selection import VariantChoice
    from pipeline.core.compress.speed import Speed
    from pipeline.core.compress.variants import CompressedModel, VariantFactory
    from pipeline.core.model.heads import Classifier
    from pipeline.core.model.predictor import Predictor
    from pipeline.core.tasks import Task
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
    long_texts: str = "head",
    answer_tokens: int = 0,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Make the menu's variants, measure each against the teacher, and write the chosen one.

    One half of the validation split, by group, measures and chooses, in `slices`; the other sets thresholds.
    """
    from pipeline.core.compress.selection import choose_variant

    asked = {"labels": labels, "max_tokens": max_tokens, "long_texts": long_texts, "task": task}
    asked |= {"cfg": cfg, "training": training, "answer_tokens": answer_tokens}
    factory = open_factory(classifier, splits, **asked)  # type: ignore[arg-type]
    choice_texts, calibration_texts = halve_texts(factory.splits["valid"])
    models = factory.make_all()
    predictors = {one: open_model(model, factory.settings, factory.threads) for one, model in models.items()}
    speeds = measure_speed(predictors, factory)
    variants = measure_variants(factory, models, predictors, choice_texts, speeds=speeds, slices=slices)
    choice = choose_variant(variants, cfg.budget, teacher=cfg.teacher)
    chosen = choice.chosen
    settings = _calibrated(factory, chosen, predictors[chosen], calibration_texts)
    counts: MenuTexts = {"choice": len(choice_texts), "calibration": len(calibration_texts)}
    with files.staging_dir(out) as staging:
        _write_candidate(staging, models[chosen], settings, seed=training.seed)
        files.write_json(staging / "menu.json", _menu(factory, variants, choice, counts))
        receipt = files.write_receipt(staging, _receipt(variants, chosen, factory))
    factory.delete_checkpoints()
    return receipt


def _menu(
    factory: "VariantFactory",
    variants: "Sequence[MeasuredVariant]",
    choice: "VariantChoice",
    texts: MenuTexts,
) -> CompressionMenu:
    from pipeline.core.compress.selection import menu_document

    cfg, threads = factory.cfg, factory.threads
    menu = menu_document(
        variants, choice, teacher=cfg.teacher, threads=threads, texts=texts, confidence=cfg.budget.confidence
    )
    skipped = (f"{name} is skipped: {reason}." for name, reason in factory.skipped.items())
    return {**menu, "reasons": [*skipped, *menu["reasons"]]}


def halve_texts(records: Sequence[TextRecord]) -> tuple[list[TextRecord], list[TextRecord]]:
    """Divide the validation split into the texts that choose a variant and those that calibrate it."""
    first, second = halve_by_group([record.group for record in records])
    return [records[row] for row in first], [records[row] for row in second]


def open_factory(
    classifier: Path,
    splits: Path,
    *,
    labels: Sequence[str],
    max_tokens: int,
    cfg: CompressConfig,
    training: "TrainingContext",
    long_texts: str = "head",
    answer_tokens: int = 0,
    task: TaskName = SINGLE_LABEL,
) -> "VariantFactory":
    """Read a trained classifier and the splits into a factory of its variants."""
    from pipeline.core.compress.variants import VariantFactory
    from pipeline.core.tasks import task_named

    teacher_files = files.verified_receipt(classifier, made_by="finetune").files
    split_receipt = files.verified_receipt(splits, made_by="split")
    return VariantFactory(
        teacher=_read_classifier(classifier, len(labels), task_named(task)),
        tokenizer=(classifier / "tokenizer.json").read_text("utf-8"),
        # Until a variant is chosen its logits are not scaled, and none is uncertain.
        settings={
            "labels": list(labels),
            "max_tokens": max_tokens,
            "teacher": teacher_files["model.safetensors"],
            "temperature": 1.0,
            "uncertain": 0.0,
            "preparation": split_receipt.notes.get(PREPARATION, EARLIER.name),
            **_unusual(long_texts=long_texts, task=task, answer_tokens=answer_tokens),
        },
        splits={side: parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "valid")},
        input_digests=[dict(teacher_files), dict(split_receipt.files)],
        cfg=cfg,
        train=training.train,
        checkpoint_store=training.checkpoint_store,
        seed=training.seed,
        threads=training.profile.threads,
        task=task_named(task),
    )


def _unusual(**settings: object) -> "ModelSettings":
    """Return the settings that differ from what a model has that does not name them."""
    return cast(ModelSettings, {name: one for name, one in settings.items() if one != UNNAMED[name]})


def open_model(model: "CompressedModel", settings: ModelSettings, threads: int) -> "Predictor":
    """Return the predictor of a variant."""
    from pipeline.core.model.opened import open_predictor

    return open_predictor(model.model, model.tokenizer, settings, threads=threads)


def measure_speed(predictors: "Mapping[str, Predictor]", factory: "VariantFactory") -> "dict[str, Speed]":
    """Measure the speed of variants on texts of the validation split."""
    from pipeline.core.compress.speed import measure_speeds
    from pipeline.core.compress.variants import evenly_spaced

    records = evenly_spaced(factory.splits["valid"], factory.cfg.benchmark_texts)
    return measure_speeds(predictors, [record.text for record in records], clock=time.perf_counter)


def measure_variants(
    factory: "VariantFactory",
    models: "Mapping[str, CompressedModel]",
    predictors: "Mapping[str, Predictor]",
    records: Sequence[TextRecord],
    *,
    speeds: "Mapping[str, Speed]",
    slices: EvaluateConfig,
) -> "list[MeasuredVariant]":
    """Measure every variant against the teacher on these texts."""
    import numpy as np

    from pipeline.core.compress.measurement import MeasuredVariant, TeacherTexts, measure_quality
    from pipeline.core.evaluate.slices import slice_members

    texts, truth = [record.text for record in records], [record.label for record in records]
    labels, outcomes = factory.settings["labels"], factory.task.outcomes
    answers = {name: outcomes(one, records, one.answers(texts)) for name, one in predictors.items()}
    table = factory.task.table(labels, truth, *answers.values())
    predicted = {name: np.array(table.numbers(column)) for name, column in answers.items()}
    teacher_texts = TeacherTexts(
        truth_N=np.array(table.numbers(truth)),
        teacher_N=predicted[factory.cfg.teacher],
        groups=[record.group for record in records],
        slices=slice_members(texts, [r.source for r in records], [r.lang for r in records], slices),
        labels=len(labels),
        items=table.items,
    )
    seed = seed_for(factory.seed, "compress", "bounds")
    return [
        MeasuredVariant(
            name,
            cast("VariantRecipe", model.variant.model_dump(exclude={"name"})),
            model.parameters,
            model.megabytes,
            measure_quality(teacher_texts, predicted[name], factory.cfg.budget, seed=seed),
            speeds[name],
        )
        for name, model in models.items()
    ]


def _read_classifier(folder: Path, labels: int, task: "Task") -> "Classifier":
    from safetensors.torch import load

    from pipeline.core.model.encoder import build_encoder

    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0)
    model: Classifier = task.classifier(encoder, labels)
    model.load_state_dict(load((folder / "model.safetensors").read_bytes()))
    return model.eval()


def _calibrated(
    factory: "VariantFactory", name: str, predictor: "Predictor", records: Sequence[TextRecord]
) -> ModelSettings:
    """Fit what turns the variant's logits into answers, on texts that chose nothing."""
    from pipeline.core.tasks.protocol import KnownTexts

    known = KnownTexts.of(records, factory.cfg.uncertain_share)
    return {**factory.task.calibrated(predictor, known, factory.settings), "variant": name}


def _write_candidate(staging: Path, model: "CompressedModel", settings: ModelSettings, *, seed: int) -> None:
    from pipeline.core.compress.golden_texts import golden_texts

    texts = golden_texts(model.tokenizer, seed)
    probabilities = open_model(model, settings, threads=1).golden(texts)
    files.write_bytes(staging / "model.onnx", model.model)
    files.write_bytes(staging / "tokenizer.json", model.tokenizer.encode())
    files.write_json(staging / "model.json", settings)
    files.write_json(staging / "golden.json", {"texts": texts, "probabilities": probabilities.tolist()})


def _receipt(variants: "Sequence[MeasuredVariant]", chosen: str, factory: "VariantFactory") -> Receipt:
    figures = {f"{one.name}_{name}": value for one in variants for name, value in one.figures.items()}
    sizes = {side: len(records) for side, records in factory.splits.items()}
    return Receipt("compress", sizes, figures, {"variant": chosen})


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
        long_texts=params.encoder.long_texts,
        answer_tokens=params.answer_tokens,
        training=context.training_context("compress"),
        task=params.task,
    )
