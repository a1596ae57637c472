"""Generation: a causal language model writes the text that answers another.

A text without a reference stands alone: the model learns all of it, and only perplexity is measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.base.config import EncoderConfig, EvaluateConfig
from pipeline.base.documents import EvaluationReport, ModelSettings, PublishedScores
from pipeline.base.errors import ConfigError
from pipeline.base.records import TextRecord
from pipeline.base.tasks import GENERATION, TaskName
from pipeline.core.tasks.protocol import (
    AnswerTable,
    BaselineTexts,
    Distillable,
    KnownTexts,
    OwnFigures,
    Training,
    TruthRow,
)
from pipeline.core.writing.outcomes import Outcome, WrittenAnswers, dump_outcome

if TYPE_CHECKING:
    from pipeline.core.evaluate.report import LabelledPredictions, RobustnessReports, ScoredTexts
    from pipeline.core.train.objectives import EncoderStart
    from pipeline.core.train.objectives.answers import AnswerObjective

DECODERS = ("bert",)


class Generation:
    """Train a decoder on references, and compare models by how likely they find them."""

    name: TaskName = GENERATION
    # A pruned variant learns from labels of whole texts.
    distillable: Distillable | None = None
    has_behaviour = False

    @property
    def figures(self) -> OwnFigures:
        """Return the overlap of what is written with references."""
        from pipeline.core.writing.report import WritingFigures

        return WritingFigures()

    def require_start(
        self, config: Mapping[str, Any], document: str, answers: Iterable[str], cfg: EncoderConfig
    ) -> None:
        """Raise ConfigError for an encoder that is no decoder, DataRejected for references too long."""
        from pipeline.core.model.families import family_of
        from pipeline.core.model.text_generator import require_end_tokens, require_short_answers

        if config["model_type"] not in DECODERS:
            raise ConfigError(
                f"task is `{self.name}`, and the encoder is {family_of(config['model_type']).title}, which "
                "cannot be a decoder: that is a BERT whose tokens see none behind them. Write "
                "`start: scratch` or another model under `encoder` in params.yaml, or another `task`."
            )
        require_end_tokens(document)
        require_short_answers(document, answers, longest=cfg.max_tokens, answer_tokens=cfg.answer_tokens)

    def classifier(self, encoder: Any, labels: int) -> Any:
        """Return a causal language model without a trained output layer yet."""
        from pipeline.core.model.language_models import CausalLanguageModel

        assert not labels
        return CausalLanguageModel(encoder)

    def encoded(
        self, tokenizer: Any, texts: Sequence[str], rows: Sequence[TruthRow], training: Training
    ) -> Mapping[str, Any]:
        """Return the tokens of texts with their answers, and of each the next one, if it is an answer's."""
        from pipeline.core.model.text_generator import AnswerTokens
        from pipeline.core.train.masking import IGNORED

        tokens = AnswerTokens(tokenizer, training.answer_tokens)
        answered = tokens.rows(texts, [row.label for row in rows])
        tags = [
            [*[IGNORED] * (row.first - 1), *row.ids[row.first :], IGNORED][: len(row.ids)] for row in answered
        ]
        return {"tokens": [row.ids for row in answered], "tags": tags}

    def tokens(
        self, tokenizer: Any, records: Sequence[TextRecord], settings: ModelSettings
    ) -> list[list[int]]:
        """Return the tokens of texts with their references."""
        from pipeline.core.model.text_generator import AnswerTokens

        tokens = AnswerTokens(tokenizer, settings["answer_tokens"])
        rows = tokens.rows([one.text for one in records], [one.label for one in records])
        return [row.ids for row in rows]

    def objective(
        self, train: Any, valid: Any, start: "EncoderStart", training: Training
    ) -> "AnswerObjective":
        """Return the objective on the tokens of answers."""
        from pipeline.core.train.objectives.answers import AnswerObjective

        return AnswerObjective(
            start=start, train=train, valid=valid, batch_size=training.cfg.batch_size, seed=training.seed
        )

    def calibrated(self, predictor: Any, known: KnownTexts, settings: ModelSettings) -> ModelSettings:
        """Say whether the model answers texts or goes on from their end; no threshold is fitted."""
        assert predictor is not None
        return settings if any(known.answers) else {**settings, "continues": True}

    def outcomes(self, predictor: Any, records: Sequence[TextRecord], answers: Sequence[str]) -> list[str]:
        """Return what was written about texts, and how likely the model finds their references."""
        texts = [predictor.prepare(one.text) for one in records]
        found = predictor.likelihoods(texts, [one.label for one in records])
        return [dump_outcome(Outcome(answer, *one)) for answer, one in zip(answers, found, strict=True)]

    def table(self, labels: Sequence[str], *columns: Sequence[str]) -> AnswerTable:
        """Number the references and the outcomes that occur."""
        assert not labels
        names = tuple(dict.fromkeys(one for column in columns for one in column))
        return AnswerTable(names, WrittenAnswers(names))

    def baselines(self, given: BaselineTexts) -> dict[str, list[str]]:
        """Predict each token by how often it is in training answers; the baseline writes nothing.

        Counts are one higher than they are (Laplace), so that a new token is possible.
        """
        predictor: Any = given.predictor
        train = predictor.answer_rows(given.texts, given.answers)
        asked = predictor.answer_rows(given.asked, given.asked_answers)
        counts_V = np.ones(predictor.vocabulary)
        for row in train:
            np.add.at(counts_V, row.ids[row.first :], 1)
        logs_V = np.log(counts_V / counts_V.sum())
        outcomes = [
            Outcome("", float(logs_V[row.ids[row.first :]].sum()), len(row.ids) - row.first) for row in asked
        ]
        return {"token_counts": list(map(dump_outcome, outcomes))}

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
        """Build the report on log-likelihoods; without labels there is nothing to calibrate or to attack."""
        from pipeline.core.writing.report import generation_report

        assert robustness.attack is None
        return generation_report(test, baselines=baselines, cfg=cfg, seed=seed, reserved=reserved)

    def published(self, reserve: "ScoredTexts", cfg: EvaluateConfig, seed: int) -> PublishedScores | None:
        """Measure the log-likelihood on the reserve."""
        from pipeline.core.writing.report import published_likelihood

        return published_likelihood(reserve, cfg, seed)
