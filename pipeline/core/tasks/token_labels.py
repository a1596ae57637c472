"""Token labels: the entities of a text, each with its place; a prediction is right where both are exact.

Shapes: N texts, T tokens, C tags, L labels.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.config import EvaluateConfig
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores
from pipeline.base.errors import DataRejected
from pipeline.base.tasks import TOKEN_LABELS, TaskName, answer_form
from pipeline.base.tasks.spans import load_spans
from pipeline.core.evaluate.metrics import AnswerItems
from pipeline.core.model.span_predictor import IGNORED, OUTSIDE, entities_of, tag_count, tags_of
from pipeline.core.tasks.gazetteer import predict_by_gazetteer
from pipeline.core.tasks.protocol import (
    AnswerTable,
    BaselineTexts,
    Distillable,
    KnownTexts,
    OwnFigures,
    Training,
    TruthRow,
)
from pipeline.core.tasks.text_task import LabelTask

if TYPE_CHECKING:
    from pipeline.core.evaluate.report import LabelledPredictions, RobustnessReports, ScoredTexts
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.train.objectives.token_labels import TaggedTexts, TokenLabelObjective

FORM = answer_form(TOKEN_LABELS)


class TokenLabels(LabelTask):
    """Train a classifier of tokens with BIO tags."""

    name: TaskName = TOKEN_LABELS
    figures: OwnFigures | None = None
    # A pruned variant learns from labels of whole texts.
    distillable: Distillable | None = None
    has_behaviour = False

    def classifier(self, encoder: Any, labels: int) -> Any:
        """Return a classifier of tokens without weights of its own yet."""
        from pipeline.core.model.language_models import TokenClassifier

        return TokenClassifier(encoder, tag_count(labels), dropout=0.0, seed=0)

    def encoded(
        self, tokenizer: Any, texts: Sequence[str], rows: Sequence[TruthRow], training: Training
    ) -> Mapping[str, Any]:
        """Return the tokens of texts, and the tag of each token."""
        from pipeline.core.model.tokenizer import encode_with_places

        assert training.long_texts == "head"
        tokens, places = encode_with_places(tokenizer, texts)
        tags = [
            tags_of(load_spans(row.label), where, training.labels)
            for row, where in zip(rows, places, strict=True)
        ]
        return {"tokens": tokens, "tags": tags}

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "TokenLabelObjective":
        """Return the objective with a cross-entropy for each token.

        Raises DataRejected where no entity lies in the tokens that are read: nothing could be learnt.
        """
        for texts, part in ((train, "training"), (valid, "validation")):
            _require_entities(texts, part)
        from pipeline.core.train.objectives.token_labels import TokenLabelObjective

        return TokenLabelObjective(
            start=start,
            train=train,
            valid=valid,
            labels=tag_count(len(training.labels)),
            batch_size=training.cfg.batch_size,
            score=entity_f1,
            seed=training.seed,
        )

    def calibrated(self, predictor: Any, known: KnownTexts, settings: ModelSettings) -> ModelSettings:
        """Fit the temperature on tokens, and the certainty below which a text is uncertain."""
        from pipeline.core.evaluate.calibration import fit_temperature
        from pipeline.core.model.decoding import softmax
        from pipeline.core.model.span_predictor import certainty

        logits, places = predictor.tagged_logits(known.texts)
        tags = [
            np.array(tags_of(load_spans(answer), where, settings["labels"]), dtype=np.int64)
            for answer, where in zip(known.answers, places, strict=True)
        ]
        tagged = [tag_T != IGNORED for tag_T in tags]
        logits_MC = np.concatenate([table[rows] for table, rows in zip(logits, tagged, strict=True)])
        tags_M = np.concatenate([tag_T[rows] for tag_T, rows in zip(tags, tagged, strict=True)])
        temperature = fit_temperature(logits_MC, tags_M)
        certain_N = [
            certainty(softmax(table / temperature), where)
            for table, where in zip(logits, places, strict=True)
        ]
        return {
            **settings,
            "temperature": temperature,
            "uncertain": float(np.quantile(certain_N, known.share)),
        }

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the answers that occur, and hold the entities of each."""
        names = tuple(dict.fromkeys(one for column in columns for one in column))
        place = {label: number for number, label in enumerate(labels)}
        items = tuple(
            frozenset((place[label], where) for label, where in FORM.items_of(name)) for name in names
        )
        return AnswerTable(names, AnswerItems(items, len(labels), names))

    def baselines(self, given: BaselineTexts) -> dict[str, list[str]]:
        """Predict the names that training texts have, with the label they most often have there.

        The mean of a text's hidden states says nothing about its tokens, so there is no frozen encoder.
        """
        min_count = given.cfg.tfidf.min_count
        return {
            "gazetteer": predict_by_gazetteer(given.texts, given.answers, given.asked, min_count=min_count)
        }

    def report(
        self,
        test: "LabelledPredictions",
        *,
        baselines: Mapping[str, Sequence[int]],
        robustness: "RobustnessReports",
        cfg: EvaluateConfig,
        seed: int,
        reserved: int,
    ) -> EvaluationReport:
        """Build the report on tallies of entities.

        What is calibrated is whether a text has an entity of a label, by the token most likely to be in one.
        """
        from pipeline.core.tasks.item_report import item_report, set_calibration

        return item_report(
            test,
            task=self.name,
            baselines=baselines,
            robustness=robustness,
            calibration=set_calibration(test, cfg, seed),
            cfg=cfg,
            seed=seed,
            reserved=reserved,
        )

    def published(self, reserve: "ScoredTexts", cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
        """Measure on tallies of entities."""
        from pipeline.core.tasks.item_report import published_item_scores

        return published_item_scores(reserve, cfg, seed)


def _require_entities(texts: "TaggedTexts", part: str) -> None:
    rows = range(len(texts.tokens))
    if not any((np.asarray(texts.tags(row)) > OUTSIDE).any() for row in rows):
        raise DataRejected(
            f"No entity of the {part} texts lies in the first `max_tokens` of its text, or there is none. "
            "Write a larger `max_tokens` under `encoder` in params.yaml, or shorter texts into the source."
        )


def entity_f1(truth: Sequence[Sequence[int]], predicted: Sequence[Sequence[int]]) -> float:
    """Compute entity-level F1 by exact match, over all labels, of the tags of texts; 0 without entities."""
    pairs = [
        (set(entities_of(one)), set(entities_of(other))) for one, other in zip(truth, predicted, strict=True)
    ]
    total = sum(len(true) + len(found) for true, found in pairs)
    return 2.0 * sum(len(true & found) for true, found in pairs) / total if total else 0.0
