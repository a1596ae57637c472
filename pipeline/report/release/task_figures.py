"""The figures of one task in sentences: distance on a scale, F1 of each label by itself, perplexity."""

from collections.abc import Iterator, Mapping

from pipeline.base.documents.evaluation import EvaluationReport
from pipeline.report.formatting import score


def task_sentences(evaluation: EvaluationReport) -> list[str]:
    """Say what an evaluation measures of its task alone; nothing for one label a text."""
    return [*_scale(evaluation), *_items(evaluation), *_written(evaluation)]


def _scale(evaluation: EvaluationReport) -> Iterator[str]:
    if scale := evaluation.get("ordinal"):
        error, kappa = scale["mean_absolute_error"], scale["weighted_kappa"]
        yield (
            f"On the scale, a prediction is {score(error)} steps from the truth in the mean"
            f"{_between(scale['intervals'], 'mean_absolute_error')}. Cohen's kappa with quadratic weights is "
            f"{score(kappa)}{_between(scale['intervals'], 'weighted_kappa')}."
        )


def _items(evaluation: EvaluationReport) -> Iterator[str]:
    if items := evaluation.get("items"):
        yield (
            f"A text may have several labels: micro F1 is {score(items['micro_f1'])}"
            f"{_between(evaluation['intervals'], 'micro_f1')}, and {score(evaluation['accuracy'])} of the "
            "texts have exactly the right ones, which is called accuracy here."
        )
        intervals, by_label = items["label_intervals"], evaluation["per_class"]
        labels = (
            f"{label} {score(by_label[label]['f1'])}{_between(intervals, label)}" for label in intervals
        )
        yield f"F1 of each label: {', '.join(labels)}."


def _written(evaluation: EvaluationReport) -> Iterator[str]:
    if found := evaluation.get("generation"):
        low, middle, high = found["perplexity_quartiles"]
        of = "the references" if found["references"] else "the texts, which stand alone"
        yield (
            f"The task is generation. The perplexity of {of} is {score(found['perplexity'])}"
            f"{_between(found['intervals'], 'perplexity')} over {found['tokens']:,} tokens; of half of the "
            f"texts it lies between {score(low)} and {score(high)}, with {score(middle)} in the middle."
        )
        if found["references"]:
            yield (
                f"What was written overlaps with {found['references']:,} references: chrF "
                f"{score(found['chrf'])}{_between(found['intervals'], 'chrf')}, BLEU {score(found['bleu'])}"
                f"{_between(found['intervals'], 'bleu')}, both from 0 to 1 and without case."
            )


def _between(intervals: Mapping[str, list[float]], name: str) -> str:
    bounds = intervals.get(name)
    return f" ({score(bounds[0])} to {score(bounds[1])})" if bounds else ""
