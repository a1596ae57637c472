"""Abilities and attack of the candidate beside those of the champion, on the same cases and texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Params
from pipeline.base.documents import SliceDifference
from pipeline.base.seeds import seed_for
from pipeline.core.evaluate.attack import attack
from pipeline.core.evaluate.behaviour import PredictProbabilities, make_cases, passed_cases
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions, paired_metrics
from pipeline.core.evaluate.regressions import HeldAgainst, paired_shares, regression_rows
from pipeline.release.predicting import TextPredictor


@dataclass(frozen=True)
class ComparedModels:
    """The candidate and the champion, which is this release."""

    candidate: TextPredictor
    champion: TextPredictor
    release: str

    @property
    def known(self) -> set[str]:
        """Return the labels that both models know."""
        return set(self.candidate.labels) & set(self.champion.labels)


def compare_abilities(models: ComparedModels, params: Params) -> list[SliceDifference]:
    """Compare the pass rate of each ability on the same cases.

    Cases that expect a label which one of the models lacks are left out.
    """
    cases = [
        case
        for case in make_cases(params.evaluate.behaviour, params.seed)
        if case.expect is None or case.expect in models.known
    ]
    passed, champions = (
        passed_cases(cases, _probabilities(model), model.labels)
        for model in (models.candidate, models.champion)
    )
    gate = params.gate
    family = [
        HeldAgainst(
            models.release,
            paired_shares(
                name,
                passed[name],
                champions[name],
                resamples=gate.resamples,
                seed=seed_for(params.seed, "gate", "ability", name),
            ),
        )
        for name in passed
    ]
    return regression_rows(family, margin=gate.ability_margin, gate=gate)


def compare_attack(
    models: ComparedModels, texts: tuple[Sequence[str], Sequence[str]], params: Params
) -> list[SliceDifference]:
    """Compare macro F1 after the same attack on both models; `texts` are those and their true labels.

    Texts whose label one of the models lacks are left out; without texts nothing is compared.
    """
    rows = [(text, label) for text, label in zip(*texts, strict=True) if label in models.known]
    if not rows:
        return []
    (names, after), (_, champions) = (
        _attacked(model, rows, params) for model in (models.candidate, models.champion)
    )
    labels = tuple(dict.fromkeys([*models.candidate.labels, *models.champion.labels]))
    truth, *predicted = ([labels.index(name) for name in column] for column in (names, after, champions))
    ids = [str(row) for row in range(len(truth))]
    gate = params.gate
    (metric, *_) = paired_metrics(
        PairedPredictions(ids, truth, predicted[0], predicted[1], ids),
        {},
        labels,
        resamples=gate.resamples,
        seed=seed_for(params.seed, "gate", "attack"),
        name="attack",
    )
    return regression_rows([HeldAgainst(models.release, metric)], margin=gate.attack_margin, gate=gate)


def _attacked(
    model: TextPredictor, rows: Sequence[tuple[str, str]], params: Params
) -> tuple[list[str], list[str]]:
    """Return the true labels of the attacked sample, and the model's predictions after the attack."""
    truth = [model.labels.index(label) for _, label in rows]
    result = attack(
        [text for text, _ in rows],
        truth,
        _probabilities(model),
        cfg=params.evaluate.attack,
        seed=params.seed,
    )
    return [model.labels[label] for label in result.truth], [model.labels[label] for label in result.after]


def _probabilities(model: TextPredictor) -> PredictProbabilities:
    def predict(texts: Sequence[str]) -> NDArray[np.float64]:
        return model.predict(texts).probabilities

    return predict
