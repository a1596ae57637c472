"""Evaluate: measure the candidate on the test split with the predictor that serves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import EvaluateConfig, RatingRule
from pipeline.base.documents import ModelSettings
from pipeline.base.records import Receipt, TextRecord
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.gate.reserve import reserved_rows
from pipeline.io import files, parquet
from pipeline.io.security.model_files import read_model_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.evaluate.report import LabelledPredictions, RobustnessReports
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.context import StageContext


def evaluate(
    candidate: Path,
    splits: Path,
    encoder: Path,
    out: Path,
    *,
    cfg: EvaluateConfig,
    rules: Mapping[str, RatingRule],
    reserve: float,
    seed: int,
    threads: int,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Evaluate the candidate and the baselines on the test split; write the report and every prediction.

    `encoder` is the one that fine-tuning started from, a baseline. The share `reserve` of the test split is
    predicted and not measured. `rules` turn the single ratings of a source's texts into labels, for human
    agreement.
    """
    from pipeline.core.evaluate.report import evaluation_report, report_sampling
    from pipeline.core.model.predictor import Predictor
    from pipeline.core.tasks import task_named

    files.verified_receipt(candidate, made_by="compress")
    files.verified_receipt(splits, made_by="split")
    train, test = (parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "test"))
    model = read_model_folder(candidate)
    predictor = Predictor.of(model.model, model.tokenizer, model.settings, threads=threads)
    measured, reserved = _parts(test, reserve)
    predictions = _predict(predictor, measured)
    report = evaluation_report(
        predictions,
        baselines=_baselines(train, predictions, encoder, cfg, settings=model.settings, threads=threads),
        robustness=_robustness(predictor, measured, predictions, cfg=cfg, rules=rules, seed=seed),
        cfg=cfg,
        seed=seed,
        reserved=len(reserved),
    )
    if figures := task_named(task).figures:
        report = {**report, **figures.measure(predictions, report_sampling(cfg, seed))}
    columns = [(measured, predictions), *([(reserved, _predict(predictor, reserved))] if reserved else [])]
    with files.staging_dir(out) as staging:
        files.write_json(staging / "evaluation.json", report)
        parquet.write_rows(staging / "predictions.parquet", _joined([_columns(*part) for part in columns]))
        figures = {"macro_f1": report["macro_f1"], "accuracy": report["accuracy"]}
        counts = {"test": len(measured), "reserved": len(reserved)}
        return files.write_receipt(staging, Receipt("evaluate", counts, figures))


def _parts(test: Sequence[TextRecord], reserve: float) -> tuple[list[TextRecord], list[TextRecord]]:
    """Return the test texts that are measured, and the reserved ones."""
    sealed = reserved_rows([record.group for record in test], reserve)
    parts: tuple[list[TextRecord], list[TextRecord]] = ([], [])
    for record, is_sealed in zip(test, sealed, strict=True):
        parts[is_sealed].append(record)
    return parts


def _baselines(
    train: Sequence[TextRecord],
    predictions: "LabelledPredictions",
    encoder: Path,
    cfg: EvaluateConfig,
    *,
    settings: ModelSettings,
    threads: int,
) -> dict[str, list[int]]:
    """Predict the test texts with every baseline, each fitted on the training split.

    `settings` are the candidate's: the encoder alone reads texts as it does.
    """
    from pipeline.core.evaluate.baselines import predict_baselines, predict_frozen_encoder

    texts, truth = [record.text for record in train], _label_indices(train, predictions.labels)
    baselines = predict_baselines(texts, truth, predictions.texts, cfg)
    if cfg.frozen_encoder is not None:
        frozen = _frozen_encoder(encoder, settings, threads=threads)
        baselines["frozen_encoder"] = predict_frozen_encoder(
            frozen.embed(texts), truth, frozen.embed(predictions.texts), cfg.frozen_encoder
        )
    return baselines


def _frozen_encoder(folder: Path, candidate: ModelSettings, *, threads: int) -> "Predictor":
    """Open the encoder that fine-tuning started from; its head is untrained and not used."""
    from safetensors.torch import load

    from pipeline.core.compress.onnx_export import export_onnx
    from pipeline.core.model.encoder import build_encoder
    from pipeline.core.model.heads import Classifier
    from pipeline.core.model.predictor import Predictor

    files.verified_receipt(folder, made_by="pretrain")
    weights = load((folder / "model.safetensors").read_bytes())
    encoder = build_encoder(files.read_json(folder / "config.json"), dropout=0.0, seed=0, weights=weights)
    labels, max_tokens = ["none"], candidate["max_tokens"]
    model = Classifier(encoder, len(labels), dropout=0.0, seed=0).eval()
    settings: ModelSettings = {
        "labels": labels,
        "max_tokens": max_tokens,
        "teacher": "",
        "temperature": 1.0,
        "uncertain": 0.0,
        "long_texts": candidate.get("long_texts", "head"),
    }
    tokenizer = (folder / "tokenizer.json").read_text("utf-8")
    return Predictor.of(export_onnx(model, max_tokens=max_tokens), tokenizer, settings, threads=threads)


def _predict(predictor: "Predictor", test: Sequence[TextRecord]) -> "LabelledPredictions":
    from pipeline.core.evaluate.report import LabelledPredictions

    texts = [record.text for record in test]
    predictions = predictor.predict(texts)
    return LabelledPredictions(
        labels=predictor.labels,
        truth=_label_indices(test, predictor.labels),
        predicted=[predictor.labels.index(label) for label in predictions.labels],
        probabilities=predictions.probabilities,
        groups=[record.group for record in test],
        sources=[record.source for record in test],
        langs=[record.lang for record in test],
        texts=texts,
        temperature=predictor.temperature,
    )


def _robustness(
    predictor: "Predictor",
    test: Sequence[TextRecord],
    predictions: "LabelledPredictions",
    *,
    cfg: EvaluateConfig,
    rules: Mapping[str, RatingRule],
    seed: int,
) -> "RobustnessReports":
    """Measure what the test metrics do not show: abilities, robustness to typos, and human agreement."""
    from pipeline.core.evaluate.attack import attack, attack_report
    from pipeline.core.evaluate.behaviour import make_cases, measure_abilities
    from pipeline.core.evaluate.bootstrap import BootstrapConfig
    from pipeline.core.evaluate.human_agreement import human_agreement
    from pipeline.core.evaluate.report import RobustnessReports

    def predict(texts: Sequence[str]) -> "NDArray[np.float64]":
        return predictor.predict(texts).probabilities

    cases = make_cases(cfg.behaviour, seed)
    attacked = attack(predictions.texts, predictions.truth, predict, cfg=cfg.attack, seed=seed)
    sampling = BootstrapConfig(cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "intervals"))
    return RobustnessReports(
        behaviour=measure_abilities(cases, predict, predictor.labels, confidence=cfg.confidence),
        attack=attack_report(attacked, predictor.labels, cfg=cfg.attack, sampling=sampling),
        human=human_agreement(
            test,
            rules,
            predictions.predicted,
            predictor.labels,
            BootstrapConfig(cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "human")),
        ),
    )


def _label_indices(records: Sequence[TextRecord], labels: Sequence[str]) -> list[int]:
    return [labels.index(record.label) for record in records]


def _columns(test: Sequence[TextRecord], predictions: "LabelledPredictions") -> dict[str, list[object]]:
    return {
        "id": [record.id for record in test],
        "group": [record.group for record in test],
        "source": [record.source for record in test],
        "label": [record.label for record in test],
        "predicted": [predictions.labels[label] for label in predictions.predicted],
        **{f"p{number}": column.tolist() for number, column in enumerate(predictions.probabilities.T)},
    }


def _joined(parts: "Sequence[dict[str, list[object]]]") -> dict[str, list[object]]:
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return evaluate(
        context.folder("compress"),
        context.folder("split"),
        context.folder("pretrain"),
        context.folder("evaluate"),
        cfg=params.evaluate,
        reserve=params.gate.reserve,
        rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
        seed=params.seed,
        threads=context.profile.threads,
        task=params.task,
    )
