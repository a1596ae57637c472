"""Pairs of texts: of one label they lie close together, of two far apart (SetFit; Tunstall et al., 2022).

Shapes: N texts, B pairs of a batch, T tokens, D width, L labels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pipeline.base.errors import DataRejected
from pipeline.base.seeds import seed_for
from pipeline.core.model.heads import Classifier, SentenceEncoder
from pipeline.core.train.batches import Batch, Tokens, pad
from pipeline.core.train.objectives.labels import LabelObjective, predict_outputs
from pipeline.core.train.objectives.objective import (
    EncoderStart,
    LabelledTexts,
    Labels,
    LengthBucketed,
    Metrics,
    ScoreFunction,
)

# Training texts of a label whose mean vector stands for it in an evaluation.
CENTROID_TEXTS = 64
# Of the squared weights, beside the mean loss of a text: scikit-learn's C of 1 for a hundred texts.
PENALTY = 0.005
ITERATIONS = 200


@dataclass
class ContrastiveObjective(LengthBucketed):
    """Train an encoder on pairs: half of them of one label, the cosine of their vectors 1, else 0.

    Each text begins a pair once an epoch. Raises DataRejected where all texts have one label.
    """

    start: EncoderStart
    train: LabelledTexts
    valid: LabelledTexts
    labels: int
    batch_size: int
    score: ScoreFunction
    seed: int

    def __post_init__(self) -> None:
        if sum(len(rows) > 0 for rows in self._rows_by_label) < 2:
            raise DataRejected(
                "finetune.method: `contrastive` compares texts of two labels, and all training texts have "
                "one. Write `method: full` under `finetune` in params.yaml, or add texts of another label."
            )

    @property
    def train_tokens(self) -> Tokens:
        """Return the texts to train on."""
        return self.train.tokens

    @cached_property
    def _rows_by_label(self) -> list[NDArray[np.int64]]:
        return [np.flatnonzero(self.train.labels == label) for label in range(self.labels)]

    def build_model(self) -> nn.Module:
        """Put nothing on the encoder but the mean over tokens."""
        encoder = self.start.encoder(seed_for(self.seed, "classifier"))
        return SentenceEncoder(encoder, dropout=self.start.dropout)

    def texts(self, step: int) -> list[list[int]]:
        """Return the row numbers of the two texts of each pair of a step."""
        generator = np.random.default_rng(seed_for(self.seed, "pairs", step))
        return [[row, self._partner(row, generator)] for row in self.sampler.rows(step).tolist()]

    def batch(self, step: int) -> Batch:
        """Return the pairs of a step: the first texts, and the second ones beside them."""
        firsts, seconds = (list(rows) for rows in zip(*self.texts(step), strict=True))
        same_B = torch.from_numpy(self.train.labels[firsts] == self.train.labels[seconds]).float()
        tokens_BT, mask_BT = pad([self.train.tokens[row] for row in (*firsts, *seconds)])
        count = len(firsts)
        more = {"second_BT": tokens_BT[count:], "second_mask_BT": mask_BT[count:]}
        return Batch(tokens_BT[:count], mask_BT[:count], same_B, weight=float(count), more=more)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Return the squared error of the cosine of each pair."""
        # In one pass, and with the padding of both: a perturbation has one shape.
        both_BT = torch.cat([batch.tokens_BT, batch.more["second_BT"]])
        first_BD, second_BD = model(both_BT, torch.cat([batch.mask_BT, batch.more["second_mask_BT"]])).chunk(
            2
        )
        cosine_B = functional.cosine_similarity(first_BD, second_BD)
        return ((cosine_B - batch.targets) ** 2).sum() / batch.weight

    def evaluate(self, model: nn.Module) -> Metrics:
        """Compute score and accuracy on the validation texts: each has the label with the nearest mean."""
        means = []
        for rows in self._rows_by_label:
            drawn = rows[np.linspace(0, len(rows) - 1, min(CENTROID_TEXTS, len(rows))).astype(np.int64)]
            means.append(self._mean(model, drawn))
        vectors_ND = functional.normalize(predict_outputs(model, self.valid.tokens))
        predicted: Labels = (vectors_ND @ torch.stack(means).T).argmax(1).numpy()
        accuracy = float((predicted == self.valid.labels).mean())
        return {"accuracy": accuracy, "score": self.score(self.valid.labels, predicted, self.labels)}

    def _mean(self, model: nn.Module, rows: NDArray[np.int64]) -> Tensor:
        """Return the direction of the mean vector of texts; one that is near nothing where there are none."""
        if not len(rows):
            encoder: Any = model.encoder
            return torch.zeros(encoder.config.hidden_size)
        vectors_ND = predict_outputs(model, [self.train.tokens[row] for row in rows.tolist()])
        return functional.normalize(functional.normalize(vectors_ND).mean(0), dim=0)

    def _partner(self, row: int, generator: np.random.Generator) -> int:
        label = int(self.train.labels[row])
        same = self._rows_by_label[label]
        # A text alone with its label is no pair with itself.
        if len(same) > 1 and generator.random() < 0.5:
            partner = int(generator.choice(same[same != row]))
        else:
            others = [rows for other, rows in enumerate(self._rows_by_label) if other != label and len(rows)]
            # Every other label alike, however rare it is.
            partner = int(generator.choice(others[int(generator.integers(len(others)))]))
        return partner


def fit_head(objective: LabelObjective, sentences: SentenceEncoder) -> Classifier:
    """Return a classifier on an encoder as it is, whose head has the least loss on the texts (L-BFGS)."""
    model = Classifier(sentences.encoder, objective.labels, dropout=0.0, seed=objective.seed)
    model.to(next(sentences.parameters()).device)
    vectors_ND = predict_outputs(sentences, objective.train.tokens)
    # The vectors are of any length; divided by their mean length the penalty means the same for all.
    scale = float(torch.linalg.vector_norm(vectors_ND, dim=1).mean())
    head = nn.Linear(vectors_ND.shape[1], objective.labels)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-9
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        entropy = objective.cross_entropy(head(vectors_ND / scale), objective.targets) / len(vectors_ND)
        value: Tensor = entropy + PENALTY * head.weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.head.weight.copy_(head.weight / scale)
        model.head.bias.copy_(head.bias)
    return model
