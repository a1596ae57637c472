"""A word head fills the blank beside a text: the word of the true label should be the likeliest."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.base.seeds import seed_for
from pipeline.core.methods.prompts import Prompt, PromptClassifier
from pipeline.core.train.batches import Tokens, token_lengths
from pipeline.core.train.objectives.labels import LabelledTokens, LabelObjective
from pipeline.core.train.objectives.soft_labels import SoftLabelledTokens, SoftLabelObjective


@dataclass(frozen=True)
class PromptedTokens:
    """Read tokenized texts by row, each in its prompt."""

    texts: Tokens
    prompt: Prompt

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> list[int]:
        return self.prompt.around(list(self.texts[row]))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of every text with its prompt."""
        around = len(self.prompt.before) + len(self.prompt.after)
        lengths: NDArray[np.int64] = np.minimum(
            token_lengths(self.texts) - 2 + around, self.prompt.max_tokens
        )
        return lengths


@dataclass
class PromptObjective(LabelObjective):
    """Train the encoder and its word head to fill the blank; a text is read by its first window alone."""

    prompt: Prompt = field(kw_only=True)

    def build_model(self) -> nn.Module:
        """Put the word head of pretraining on the encoder."""
        encoder = self.start.encoder(seed_for(self.seed, "encoder"))
        return PromptClassifier(encoder, self.start.word_head, self.prompt)


@dataclass
class SoftPromptObjective(PromptObjective, SoftLabelObjective):
    """Train to fill the blank with the words of several labels, as probable as each label is."""


def prompted(objective: LabelObjective, prompt: Prompt) -> PromptObjective:
    """Return the objective of filling the blank beside the texts of another one, with its targets."""
    train: Any = LabelledTokens(PromptedTokens(objective.train.tokens, prompt), objective.train.labels)
    valid = LabelledTokens(PromptedTokens(objective.valid.tokens, prompt), objective.valid.labels)
    kind = PromptObjective
    if isinstance(objective, SoftLabelObjective):
        kind = SoftPromptObjective
        train = SoftLabelledTokens(train.tokens, train.labels, objective.train.probabilities)
    shared = ("start", "labels", "batch_size", "class_weights", "score", "seed", "options")
    return kind(train=train, valid=valid, prompt=prompt, **{one: getattr(objective, one) for one in shared})
