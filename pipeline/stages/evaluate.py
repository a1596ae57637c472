"""From a candidate to its figures, measured by the very predictor that serves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.config import EvaluateConfig, RatingRule
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet

if TYPE_CHECKING:
    from pipeline.core.evaluate.report import LabelledPredictions
    from pipeline.core.model.predictor import Predictor
    from pipeline.stages.context import StageContext


def evaluate(
    candidate: Path,
    splits: Path,
    out: Path,
    *,
    cfg: EvaluateConfig,
    rules: Mapping[str, RatingRule],
    seed: int,
    threads: int,
) -> Receipt:
    """Let the candidate and the baselines answer the test split; leave figures with intervals, and every single answer.

    `rules` turn the single ratings of a source's texts into labels, for the comparison with people.
    """
    from pipeline.core.evaluate import baselines
    from pipeline.core.evaluate.report import evaluation_report
    from pipeline.inference.load import load_predictor

    files.verified_receipt(candidate, made_by="compress")
    files.verified_receipt(splits, made_by="split")
    train, test = (parquet.read_texts(splits / f"{side}.parquet") for side in ("train", "test"))
    predictor = load_predictor(candidate, threads=threads)
    answered = _answered(predictor, test)
    lessons = [record.text for record in train], _numbers(train, predictor.labels)
    guesses = baselines.predict_baselines(*lessons, [record.text for record in test], cfg)
    extra = _tried(predictor, test, answered, cfg=cfg, rules=rules, seed=seed)
    document = evaluation_report(answered, baselines=guesses, extra=extra, cfg=cfg, seed=seed)
    with files.staging_dir(out) as staging:
        files.write_json(staging / "evaluation.json", document)
        parquet.write_rows(staging / "predictions.parquet", _rows(test, answered))
        figures = {"macro_f1": document["macro_f1"], "accuracy": document["accuracy"]}
        return files.write_receipt(staging, Receipt("evaluate", {"test": len(test)}, figures))


def _answered(predictor: "Predictor", test: Sequence[TextRecord]) -> "LabelledPredictions":
    from pipeline.core.evaluate.report import LabelledPredictions

    answers = predictor.predict([record.text for record in test])
    return LabelledPredictions(
        labels=predictor.labels,
        truth=_numbers(test, predictor.labels),
        guess=[predictor.labels.index(label) for label in answers.labels],
        probabilities=answers.probabilities,
        groups=[record.group for record in test],
        sources=[record.source for record in test],
        langs=[record.lang for record in test],
        texts=[record.text for record in test],
        temperature=predictor.temperature,
    )


def _tried(
    predictor: "Predictor",
    test: Sequence[TextRecord],
    answered: "LabelledPredictions",
    *,
    cfg: EvaluateConfig,
    rules: Mapping[str, RatingRule],
    seed: int,
) -> dict[str, Any]:
    """Measure what a test split alone does not show: abilities, slips of the keyboard, and how people do."""
    from pipeline.core.evaluate import attack, behaviour, human_agreement

    def answer(texts: Sequence[str]) -> Any:
        return predictor.predict(texts).probabilities

    return {
        "behaviour": behaviour.measure_abilities(
            behaviour.make_cases(cfg.behaviour, seed), answer, predictor.labels
        ),
        "attack": attack.measure_attack(answered.texts, answered.truth, answer, cfg=cfg.attack, seed=seed),
        "human": human_agreement.human_agreement(test, rules, answered.guess, predictor.labels, seed),
    }


def _numbers(records: Sequence[TextRecord], labels: Sequence[str]) -> list[int]:
    return [labels.index(record.label) for record in records]


def _rows(test: Sequence[TextRecord], answered: "LabelledPredictions") -> dict[str, list[object]]:
    columns = zip(*answered.probabilities.tolist(), strict=True)  # type: ignore[union-attr]
    return {
        "id": [record.id for record in test],
        "group": [record.group for record in test],
        "source": [record.source for record in test],
        "label": [record.label for record in test],
        "guess": [answered.labels[guess] for guess in answered.guess],
        **{f"p{number}": list(column) for number, column in enumerate(columns)},
    }


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    params = context.params
    return evaluate(
        context.folder("compress"),
        context.folder("split"),
        context.folder("evaluate"),
        cfg=params.evaluate,
        rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
        seed=params.seed,
        threads=context.profile.threads,
    )
