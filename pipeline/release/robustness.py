"""Abilities and attack of the candidate beside those of the champion, on the same cases and texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import Params
from pipeline.base.documents import SliceDifference
from pipeline.base.seeds import seed_for
from pipeline.base.tasks import answer_form
from pipeline.core.evaluate.attack import attack
from pipeline.core.evaluate.behaviour import (
    PredictLabels,
    PredictProbabilities,
    make_cases,
    passed_cases,
)
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions, paired_metrics
from pipeline.core.evaluate.regressions import HeldAgainst, paired_shares, regression_rows
from pipeline.core.tasks import task_named
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
    if not task_named(params.task).has_behaviour:
        return []
    cases = [
        case
        for case in make_cases(params.evaluate.behaviour, params.seed)
        if case.expect is None or case.expect in models.known
    ]
    passed, champions = (
        passed_cases(cases, _probabilities(model), model.labels, _label_sets(model, params))
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
    if not task_named(params.task).has_behaviour:
        return []
    labels_of = answer_form(params.task).labels_of
    rows = [one for one in zip(*texts, strict=True) if models.known.issuperset(labels_of(one[1]))]
    if not rows:
        return []
    (truth, after), (_, champions) = (
        _attacked(model, rows, params) for model in (models.candidate, models.champion)
    )
    labels = tuple(dict.fromkeys([*models.candidate.labels, *models.champion.labels]))
    table = task_named(params.task).table(labels, truth, after, champions)
    ids, gate = [str(row) for row in range(len(truth))], params.gate
    true, candidate, champion = map(table.numbers, (truth, after, champions))
    (metric, *_) = paired_metrics(
        PairedPredictions(ids, true, candidate, champion, ids, table.items),
        {},
        labels,
        resamples=gate.resamples,
        seed=seed_for(params.seed, "gate", "attack"),
        name="attack",
    )
    return regression_rows([HeldAgainst(models.release, metric)], margin=gate.attack_margin, gate=gate)


def _attacked(
    model: TextPredictor, rows: Sequence[tuple[str, str]], params: Params
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the true answers of the attacked sample, and the model's predictions after the attack."""
    texts, truth = zip(*rows, strict=True)

    def predict(asked: Sequence[str]) -> Sequence[str]:
        return model.predict(asked).labels

    result = attack(texts, truth, predict, cfg=params.evaluate.attack, seed=params.seed)
    return result.truth, result.after


def _label_sets(model: TextPredictor, params: Params) -> PredictLabels | None:
    form = answer_form(params.task)
    if form.one_label:
        return None
    return lambda texts: [form.labels_of(answer) for answer in model.predict(texts).labels]


def _probabilities(model: TextPredictor) -> PredictProbabilities:
    def predict(texts: Sequence[str]) -> NDArray[np.float64]:
        return model.predict(texts).probabilities

    return predict
