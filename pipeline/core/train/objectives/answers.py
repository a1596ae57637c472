"""Answers: the tokens of an answer from its text and those before them (supervised fine-tuning).

The targets of the tokens of the text itself are left out of the loss (Ouyang et al., 2022).
Shapes: B texts, T tokens.
"""

from dataclasses import dataclass

from torch import nn

from pipeline.base.seeds import seed_for
from pipeline.core.model.language_models import CausalLanguageModel
from pipeline.core.train.batches import Batch, Tokens, pad
from pipeline.core.train.masking import IGNORED
from pipeline.core.train.objectives.objective import EncoderStart, Metrics
from pipeline.core.train.objectives.token_labels import TaggedTexts
from pipeline.core.train.objectives.word_prediction import WordPrediction


@dataclass
class AnswerObjective(WordPrediction):
    """Train a causal language model on answers; the tag of a token is the token that follows it."""

    start: EncoderStart
    train: TaggedTexts  # type: ignore[assignment]
    valid: TaggedTexts  # type: ignore[assignment]
    batch_size: int
    seed: int

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    def build_model(self) -> nn.Module:
        """Put an output layer on the encoder, a new one or a trained one."""
        encoder = self.start.encoder(seed_for(self.seed, "encoder"))
        return CausalLanguageModel(encoder, self.start.word_head)

    def batch(self, step: int) -> Batch:
        """Return the texts of a step, and for each token of an answer the next one."""
        return _batch(self.train, self.sampler.rows(step).tolist())

    def valid_batch(self, rows: list[int]) -> Batch:
        """Return some validation texts."""
        return _batch(self.valid, rows)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute the perplexity of the answers; the score is the log-likelihood of a token of them."""
        return self.measured(model, self.valid.tokens)


def _batch(texts: TaggedTexts, rows: list[int]) -> Batch:
    tokens_BT, mask_BT = pad([texts.tokens[row] for row in rows])
    targets_BT, _ = pad([texts.tags(row) for row in rows], fill=IGNORED)
    return Batch(tokens_BT, mask_BT, targets_BT, weight=max(1.0, float((targets_BT != IGNORED).sum())))
