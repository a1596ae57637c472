"""Evaluate: measure the candidate on the test split with the predictor that serves."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import EvaluateConfig, RatingRule
from pipeline.base.documents import EvaluationReport, HumanAgreement, ModelSettings
from pipeline.base.records import Receipt, TextRecord
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.base.tasks.scores import LOG_LIKELIHOOD, MACRO_F1
from pipeline.core.gate.reserve import reserved_rows
from pipeline.io import files, parquet
from pipeline.io.security.model_files import read_model_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.core.evaluate.report import LabelledPredictions
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.context import StageContext


FIGURES = (MACRO_F1, LOG_LIKELIHOOD, "accuracy")


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
    from pipeline.core.model.opened import open_predictor
    from pipeline.core.tasks import task_named
    from pipeline.core.tasks.candidate import Candidate

    files.verified_receipt(splits, made_by="split")
    train, test = (parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "test"))
    files.verified_receipt(candidate, made_by="compress")
    model = read_model_folder(candidate)
    measured, reserved = _parts(test, reserve)
    predictor = open_predictor(model.model, model.tokenizer, model.settings, threads=threads)
    tried = Candidate(task_named(task), predictor)
    frozen = _frozen_encoder(encoder, model.settings, threads=threads) if cfg.frozen_encoder else None
    answers, probabilities = tried.predict(measured)
    baselines = tried.baselines(train, measured, frozen, cfg)
    table = tried.table(measured, answers, *baselines.values())
    predictions = tried.labelled(measured, table, answers, probabilities)
    robustness = tried.robustness(measured, cfg, seed)
    report = tried.task.report(
        predictions,
        baselines={name: table.numbers(column) for name, column in baselines.items()},
        robustness=dataclasses.replace(robustness, human=_human(measured, predictions, rules, cfg, seed)),
        cfg=cfg,
        seed=seed,
        reserved=len(reserved),
    )
    return _write(out, report, [(measured, answers, probabilities), (reserved, *tried.predict(reserved))])


Predicted = tuple[Sequence[TextRecord], Sequence[str], "NDArray[np.float64]"]


def _write(out: Path, report: EvaluationReport, parts: Sequence[Predicted]) -> Receipt:
    """Write the report, and the predictions of the measured texts and of the reserved ones."""
    with files.staging_dir(out) as staging:
        files.write_json(staging / "evaluation.json", report)
        parquet.write_rows(staging / "predictions.parquet", _joined([_columns(*part) for part in parts]))
        figures = {name: report[name] for name in FIGURES if name in report}  # type: ignore[literal-required]
        sizes = dict(zip(("test", "reserved"), (len(part[0]) for part in parts), strict=True))
        return files.write_receipt(staging, Receipt("evaluate", sizes, figures))


def _parts(test: Sequence[TextRecord], reserve: float) -> tuple[list[TextRecord], list[TextRecord]]:
    """Return the test texts that are measured, and the reserved ones."""
    sealed = reserved_rows([record.group for record in test], reserve)
    parts: tuple[list[TextRecord], list[TextRecord]] = ([], [])
    for record, is_sealed in zip(test, sealed, strict=True):
        parts[is_sealed].append(record)
    return parts


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
        "preparation": candidate.get("preparation", ""),
    }
    tokenizer = (folder / "tokenizer.json").read_text("utf-8")
    return Predictor.of(export_onnx(model, max_tokens=max_tokens), tokenizer, settings, threads=threads)


def _human(
    test: Sequence[TextRecord],
    predictions: "LabelledPredictions",
    rules: Mapping[str, RatingRule],
    cfg: EvaluateConfig,
    seed: int,
) -> HumanAgreement | None:
    from pipeline.core.evaluate.bootstrap import BootstrapConfig
    from pipeline.core.evaluate.human_agreement import human_agreement

    agreement = BootstrapConfig(cfg.resamples, cfg.confidence, seed_for(seed, "evaluate", "human"))
    return human_agreement(test, rules, predictions.predicted, predictions.labels, agreement)


def _columns(
    test: Sequence[TextRecord], answers: Sequence[str], probabilities: "NDArray[np.float64]"
) -> dict[str, list[object]]:
    return {
        "id": [record.id for record in test],
        "group": [record.group for record in test],
        "source": [record.source for record in test],
        "label": [record.label for record in test],
        "predicted": list(answers),
        **{f"p{number}": column.tolist() for number, column in enumerate(probabilities.T)},
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
