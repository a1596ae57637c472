"""Error rates of the gate of params.yaml on simulated pairs of models whose true difference is known.

It uses fewer resamples than params.yaml, so that a thousand comparisons take seconds; the rates are printed.
"""

import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from judged import candidate

from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.comparison import compare_models
from pipeline.core.evaluate.paired_bootstrap import PairedPredictions
from pipeline.core.gate.decision import GateDecision, decide
from pipeline.core.gate.looks import LookBudget
from pipeline.io.params_file import load_params

LABELS = ("negative", "neutral", "positive")
DEFAULT = load_params(Path(__file__).parents[3] / "params.yaml").gate
GATE = DEFAULT.model_copy(update={"resamples": 400, "abilities": {}, "changed_listed": 0})
PAIRS = 400
FIRST_LOOK = LookBudget(used=0, allowed=GATE.looks, budget=0.05, left=0.05).next_look()
Slices = dict[str, Any]


def models(texts: int, random: np.random.Generator, *, right: tuple[float, float]) -> PairedPredictions:
    """Simulate predictions of both models; `right` is the accuracy of each, on almost equally hard texts.

    As in the default data, 80% of the groups hold one text and the others up to twelve similar ones, one
    label in five is neutral, and two models that differ only by their seed agree on five texts of six.
    """
    sizes = random.choice([1, 2, 4, 8, 12], p=[0.80, 0.08, 0.05, 0.04, 0.03], size=texts)
    group_N = np.repeat(np.arange(texts), sizes)[:texts]
    truth_N = random.choice(3, p=[0.37, 0.19, 0.44], size=texts)
    hard_N = 0.45 * random.normal(size=texts)[group_N] + 0.82 * random.normal(size=texts)
    likely_N = (truth_N + random.integers(1, 3, size=texts)) % 3  # the likeliest wrong prediction
    predictions = []
    for share in right:
        correct_N = hard_N + 0.35 * random.normal(size=texts) < NormalDist().inv_cdf(share)
        wrong_N = np.where(random.random(texts) < 0.85, likely_N, 3 - truth_N - likely_N)
        predictions.append(np.where(correct_N, truth_N, wrong_N).tolist())
    return PairedPredictions(list(map(str, range(texts))), truth_N.tolist(), *predictions, group_N.tolist())


def slices(pair: PairedPredictions, random: np.random.Generator) -> Slices:
    source_N, negated_N = np.array(pair.groups) % 4, random.random(len(pair.truth)) < 0.2
    sources = {
        f"source={name}": np.flatnonzero(source_N == number).tolist() for number, name in enumerate("abcd")
    }
    return {
        **sources,
        "negated=yes": np.flatnonzero(negated_N).tolist(),
        "negated=no": np.flatnonzero(~negated_N).tolist(),
    }


def judged(
    pair: PairedPredictions, seed: int, *, among: Slices | None = None, margin: float = DEFAULT.slice_margin
) -> GateDecision:
    gate = GATE.model_copy(update={"slice_margin": margin})
    return decide(
        candidate(),
        {
            **compare_models(
                pair,
                champion="R1",
                labels=LABELS,
                slices=among or {},
                gate=gate,
                seed=seed,
                look=FIRST_LOOK,
            )
        },
        gate,
    )


def passed(decision: GateDecision, name: str) -> bool:
    return next(check.passed for check in decision.checks if check.name == name)


def gain(pair: PairedPredictions) -> float:
    mine, theirs = (
        metrics.macro_f1(metrics.confusion(pair.truth, predicted, labels=3))
        for predicted in (pair.candidate, pair.champion)
    )
    return float(mine - theirs)


def test_simulated_models_resemble_real_ones() -> None:
    pair = models(200_000, np.random.default_rng(1), right=(0.77, 0.77))

    assert 0.76 < np.mean(np.equal(pair.truth, pair.champion)) < 0.78
    assert 0.82 < np.mean(np.equal(pair.candidate, pair.champion)) < 0.87
    assert abs(gain(pair)) < 0.002


def test_equal_models_are_promoted_or_lose_a_slice_in_at_most_5_percent() -> None:
    random = np.random.default_rng(2)
    margin = (
        DEFAULT.slice_margin / 3
    )  # stricter than params.yaml, which leaves hardly any false alarm to count
    promoted = lost = 0
    for seed in range(PAIRS):
        pair = models(1000, random, right=(0.77, 0.77))
        decision = judged(pair, seed, among=slices(pair, random), margin=margin)
        promoted += passed(decision, "champion")
        lost += not passed(decision, "slices")

    print(
        f"of {PAIRS} equal pairs at 1,000 texts {promoted / PAIRS:.1%} are better, "
        f"{lost / PAIRS:.1%} lose one of 9 slices by {margin}"
    )
    # Five percent, and three standard errors of the simulation.
    most = PAIRS * 0.05 + 3 * math.sqrt(PAIRS * 0.05 * 0.95)
    assert promoted <= most
    assert lost <= most


def test_a_gain_of_two_points_at_5000_texts_is_promoted_in_80_percent() -> None:
    random = np.random.default_rng(3)
    right = (0.79, 0.77)
    true = gain(models(400_000, random, right=right))
    promoted = sum(judged(models(5000, random, right=right), seed).accepted for seed in range(50))

    print(f"a true gain of {true:.4f} macro F1 at 5,000 texts is promoted in {promoted} of 50")
    assert abs(true - 0.02) < 0.002
    assert promoted >= 40


def test_the_minimum_detectable_gain_is_detected_with_the_stated_power() -> None:
    random = np.random.default_rng(4)
    right = (0.806, 0.77)
    true = gain(models(400_000, random, right=right))
    documents = [
        compare_models(
            models(1000, random, right=right),
            champion="R1",
            labels=LABELS,
            slices={},
            gate=GATE,
            seed=seed,
            look=FIRST_LOOK,
        )
        for seed in range(120)
    ]
    stated = float(np.mean([document["macro_f1"]["minimum_detectable"] for document in documents]))
    detected = np.mean([document["macro_f1"]["lower"] > 0 for document in documents])

    print(
        f"minimum detectable gain {stated:.4f} at {GATE.power:.0%}; "
        f"one of {true:.4f} detected in {detected:.0%}"
    )
    assert abs(stated - true) < 0.003
    assert abs(detected - GATE.power) < 0.1


def test_a_damaged_slice_is_named_although_the_overall_score_improves() -> None:
    random = np.random.default_rng(5)
    for seed in range(10):
        pair = models(4000, random, right=(0.83, 0.77))
        among = slices(pair, random)
        # A quarter of the texts of source b now get the label before their own.
        hurt = [row for row in among["source=b"] if random.random() < 0.25]
        predicted = [
            (truth + 2) % 3 if row in set(hurt) else mine
            for row, (truth, mine) in enumerate(zip(pair.truth, pair.candidate, strict=True))
        ]
        decision = judged(
            PairedPredictions(pair.ids, pair.truth, predicted, pair.champion, pair.groups), seed, among=among
        )

        (reason,) = [check.sentence for check in decision.checks if check.name == "slices"]
        assert not decision.accepted
        assert "(gate.slice_margin): 1 of 9: source=b from 0.7" in reason


def test_a_class_with_flipped_predictions_is_named() -> None:
    random = np.random.default_rng(6)
    for seed in range(10):
        pair = models(3000, random, right=(0.77, 0.77))
        flipped = [1 if mine == 0 and random.random() < 0.4 else mine for mine in pair.candidate]
        decision = judged(
            PairedPredictions(pair.ids, pair.truth, flipped, pair.champion, pair.groups),
            seed,
            among=slices(pair, random),
        )

        (reason,) = [check.sentence for check in decision.checks if check.name == "slices"]
        assert "class=negative from 0.7" in reason
        assert "class=positive" not in reason
