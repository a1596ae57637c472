"""What the gate of params.yaml does with chance: simulated pairs of models whose true difference is known.

Fewer resamples than params.yaml asks for, so that a thousand comparisons take seconds; the rates that were seen are printed.
"""

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from judged import candidate

from pipeline.core.evaluate import metrics
from pipeline.core.evaluate.comparison import PairedPredictions, compare_models
from pipeline.core.gate.decision import GateDecision, decide
from pipeline.io.params_file import load_params

LABELS = ("negative", "neutral", "positive")
DEFAULT = load_params(Path(__file__).parents[3] / "params.yaml").gate
GATE = DEFAULT.model_copy(update={"resamples": 400, "abilities": {}, "changed_listed": 0})
Slices = dict[str, Any]


def models(texts: int, random: np.random.Generator, *, right: tuple[float, float]) -> PairedPredictions:
    """Let candidate and champion answer; `right` is the share each gets right, of texts equally hard for both but for a little.

    As in the default data: 80% of the groups hold one text and the others up to twelve that resemble each other, one label in
    five is neutral, and two models that differ only by their seed give the same answer to five texts of six.
    """
    sizes = random.choice([1, 2, 4, 8, 12], p=[0.80, 0.08, 0.05, 0.04, 0.03], size=texts)
    group_N = np.repeat(np.arange(texts), sizes)[:texts]
    truth_N = random.choice(3, p=[0.37, 0.19, 0.44], size=texts)
    hard_N = 0.45 * random.normal(size=texts)[group_N] + 0.82 * random.normal(size=texts)
    likely_N = (truth_N + random.integers(1, 3, size=texts)) % 3  # the wrong answer that lies nearest
    answers = []
    for share in right:
        found_N = hard_N + 0.35 * random.normal(size=texts) < NormalDist().inv_cdf(share)
        wrong_N = np.where(random.random(texts) < 0.85, likely_N, 3 - truth_N - likely_N)
        answers.append(np.where(found_N, truth_N, wrong_N).tolist())
    return PairedPredictions(list(map(str, range(texts))), truth_N.tolist(), *answers, group_N.tolist())


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
        compare_models(pair, champion="R1", labels=LABELS, slices=among or {}, gate=gate, seed=seed),
        gate,
    )


def passed(decision: GateDecision, name: str) -> bool:
    return next(part.passed for part in decision.parts if part.name == name)


def gain(pair: PairedPredictions) -> float:
    mine, theirs = (
        metrics.macro_f1(metrics.confusion(pair.truth, answers, labels=3))
        for answers in (pair.candidate, pair.champion)
    )
    return float(mine - theirs)


def test_the_simulated_models_are_like_the_real_ones() -> None:
    pair = models(200_000, np.random.default_rng(1), right=(0.77, 0.77))

    assert 0.76 < np.mean(np.equal(pair.truth, pair.champion)) < 0.78
    assert 0.82 < np.mean(np.equal(pair.candidate, pair.champion)) < 0.87
    assert abs(gain(pair)) < 0.002


def test_of_a_thousand_equal_pairs_at_most_one_in_twenty_is_promoted_or_loses_a_slice() -> None:
    random = np.random.default_rng(2)
    margin = (
        DEFAULT.slice_margin / 3
    )  # harder than params.yaml, with which hardly any false alarm is left to count
    promoted = lost = 0
    for seed in range(1000):
        pair = models(1000, random, right=(0.77, 0.77))
        decision = judged(pair, seed, among=slices(pair, random), margin=margin)
        promoted += passed(decision, "champion")
        lost += not passed(decision, "slices")

    print(
        f"of 1,000 equal pairs at 1,000 texts {promoted / 10:.1f}% are better, {lost / 10:.1f}% lose one of 9 slices by {margin}"
    )
    assert promoted <= 50
    assert lost <= 50


def test_a_true_gain_of_two_points_at_five_thousand_texts_is_promoted_in_four_of_five() -> None:
    random = np.random.default_rng(3)
    right = (0.79, 0.77)
    true = gain(models(400_000, random, right=right))
    promoted = sum(judged(models(5000, random, right=right), seed).accepted for seed in range(50))

    print(f"a true gain of {true:.4f} macro F1 at 5,000 texts is promoted in {promoted} of 50")
    assert abs(true - 0.02) < 0.002
    assert promoted >= 40


def test_the_gain_that_is_said_to_show_shows_with_the_power_that_is_said() -> None:
    random = np.random.default_rng(4)
    right = (0.802, 0.77)
    true = gain(models(400_000, random, right=right))
    documents = [
        compare_models(
            models(1000, random, right=right), champion="R1", labels=LABELS, slices={}, gate=GATE, seed=seed
        )
        for seed in range(120)
    ]
    said = float(np.mean([document["macro_f1"]["visible"] for document in documents]))
    shown = np.mean([document["macro_f1"]["low"] > 0 for document in documents])

    print(
        f"a gain of {said:.4f} is said to show with {GATE.power:.0%}; one of {true:.4f} shows in {shown:.0%}"
    )
    assert abs(said - true) < 0.003
    assert abs(shown - GATE.power) < 0.1


def test_a_slice_that_is_surely_damaged_is_found_and_named_while_the_whole_gains() -> None:
    random = np.random.default_rng(5)
    for seed in range(10):
        pair = models(4000, random, right=(0.83, 0.77))
        among = slices(pair, random)
        # One text in four of source b now gets the label before its own.
        hurt = [row for row in among["source=b"] if random.random() < 0.25]
        answers = [
            (truth + 2) % 3 if row in set(hurt) else mine
            for row, (truth, mine) in enumerate(zip(pair.truth, pair.candidate, strict=True))
        ]
        decision = judged(
            PairedPredictions(pair.ids, pair.truth, answers, pair.champion, pair.groups), seed, among=among
        )

        (reason,) = [part.sentence for part in decision.parts if part.name == "slices"]
        assert not decision.accepted
        assert "(gate.slice_margin): 1 of 9: source=b from 0.7" in reason


def test_a_class_whose_labels_were_flipped_is_found_and_named() -> None:
    random = np.random.default_rng(6)
    for seed in range(10):
        pair = models(3000, random, right=(0.77, 0.77))
        flipped = [1 if mine == 0 and random.random() < 0.4 else mine for mine in pair.candidate]
        decision = judged(
            PairedPredictions(pair.ids, pair.truth, flipped, pair.champion, pair.groups),
            seed,
            among=slices(pair, random),
        )

        (reason,) = [part.sentence for part in decision.parts if part.name == "slices"]
        assert "class=negative from 0.7" in reason
        assert "class=positive" not in reason
