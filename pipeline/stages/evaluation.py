"""From a candidate to its figures, measured by the very predictor that serves."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import EvaluateConfig
from pipeline.schema import Receipt, Record
from pipeline.storage import files, tables


def evaluate(candidate: Path, splits: Path, out: Path, *, cfg: EvaluateConfig, seed: int) -> Receipt:
    """Let the candidate and the baselines answer the test split; leave figures with intervals, and every single answer."""
    from pipeline.evaluate import baselines
    from pipeline.evaluate.document import Answered, evaluation
    from pipeline.stages.prediction import open_predictor

    files.trusted(candidate, made_by="compress")
    files.trusted(splits, made_by="split")
    train, test = (tables.read_texts(splits / f"{side}.parquet") for side in ("train", "test"))
    predictor = open_predictor(candidate)
    answers = predictor.predict([record.text for record in test])
    answered = Answered(
        labels=predictor.labels,
        truth=_numbers(test, predictor.labels),
        guess=[predictor.labels.index(label) for label in answers.labels],
        probabilities=answers.probabilities,
        groups=[record.group for record in test],
        sources=[record.source for record in test],
    )
    lessons = [record.text for record in train], _numbers(train, predictor.labels)
    document = evaluation(answered, baselines=baselines.guesses(*lessons, [r.text for r in test], cfg), cfg=cfg, seed=seed)
    with files.whole(out) as desk:
        files.write_json(desk / "evaluation.json", document)
        tables.write_rows(desk / "predictions.parquet", _answers(test, answers.labels, answers.probabilities.tolist()))
        figures = {"macro_f1": document["macro_f1"], "accuracy": document["accuracy"]}
        return files.write_receipt(desk, Receipt("evaluate", {"test": len(test)}, figures))


def _numbers(records: Sequence[Record], labels: Sequence[str]) -> list[int]:
    return [labels.index(record.label) for record in records]


def _answers(test: Sequence[Record], guesses: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, list[object]]:
    return {
        "id": [record.id for record in test],
        "group": [record.group for record in test],
        "source": [record.source for record in test],
        "label": [record.label for record in test],
        "guess": list(guesses),
        **{f"p{number}": list(column) for number, column in enumerate(zip(*rows, strict=True))},
    }
