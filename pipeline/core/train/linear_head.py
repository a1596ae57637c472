"""The head alone, by logistic regression on the vectors of an encoder that stays as it is."""

import torch
from torch import Tensor, nn

from pipeline.core.model.heads import Classifier, SentenceEncoder
from pipeline.core.train.objectives.labels import LabelObjective, predict_outputs

# Of the squared weights, beside the mean loss of a text: scikit-learn's C of 1 for a hundred texts.
PENALTY = 0.005
ITERATIONS = 200


def fit_head(objective: LabelObjective, sentences: SentenceEncoder) -> Classifier:
    """Return a classifier on an encoder whose head has the least loss on the training texts (L-BFGS)."""
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
