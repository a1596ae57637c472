"""Evidence that may be looked at after every label: how often it errs, and what it finds."""

import numpy as np
import pytest
from audited import audit_labels
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.monitor import quality
from pipeline.core.monitor.e_process import BETS, evidence
from pipeline.core.prevalence.ppi import first_labels

NEEDED = 20.0  # evidence at a confidence of 95 %


def found(lost: float, won: float, labels: int, *, times: int, seed: int) -> float:
    """Return how often the evidence of a loss is enough at any look."""
    random = np.random.default_rng(seed)
    draws = random.choice([1.0, -1.0, 0.0], size=(times, labels), p=[lost, won, 1 - lost - won])
    return float(np.mean([evidence(row, [1.0] * labels) >= NEEDED for row in draws]))


def test_evidence_worked_by_hand() -> None:
    # After two losses and a gain the wealth was highest before the gain.
    wealth = sum((1 + bet) ** 2 for bet in BETS) / len(BETS)

    assert evidence([1.0, 1.0, -1.0], [1.0, 1.0, 1.0]) == pytest.approx(wealth)
    assert evidence([], []) == evidence([-1.0], [1.0]) == 1.0


@pytest.mark.parametrize("change", [0.02, 0.1, 0.2])
def test_equal_releases_reach_the_evidence_in_at_most_1_of_20_over_all_looks(change: float) -> None:
    rate = found(change, change, 3000, times=600, seed=3)

    # Two standard errors of the simulation.
    assert rate <= 0.05 + 2 * (0.05 * 0.95 / 600) ** 0.5, f"reached in {rate}"


def test_a_fall_of_8_points_is_found_with_300_labels_in_8_of_10() -> None:
    # The releases differ on 8, 12 and 16 % of the texts.
    rates = {won: found(won + 0.08, won, 300, times=1500, seed=4) for won in (0.0, 0.02, 0.04)}

    assert min(rates.values()) >= 0.80, f"found in {rates}"


def test_unequal_weights_keep_the_promise() -> None:
    random, hits = np.random.default_rng(5), 0
    for _ in range(600):
        values = random.choice([1.0, -1.0, 0.0], size=800, p=[0.1, 0.1, 0.8])
        hits += evidence(values, random.choice([1.0, 4.0, 50.0], size=800)) >= NEEDED

    assert hits / 600 <= 0.05 + 2 * (0.05 * 0.95 / 600) ** 0.5


def test_an_accuracy_at_the_promised_one_falls_short_in_at_most_1_of_20() -> None:
    random, ones = np.random.default_rng(6), [1.0] * 300
    rates = {
        accuracy: np.mean(
            [evidence(0.75 - (random.random(300) < accuracy), ones) >= NEEDED for _ in range(400)]
        )
        for accuracy in (0.75, 0.67)
    }

    assert rates[0.75] <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5
    assert rates[0.67] >= 0.6


def test_a_shortfall_is_that_of_the_labels() -> None:
    audited = audit_labels(["yes", "yes"], ["no", "yes"])

    assert quality.shortfall_evidence(audited, 0.75) == pytest.approx(evidence([0.75, -0.25], [1.0, 1.0]))


@given(st.lists(st.floats(-1, 1), max_size=60), st.data())
def test_the_evidence_only_grows_with_more_labels(values: list[float], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 1e6), min_size=len(values), max_size=len(values)))
    path = [evidence(values[:length], weights[:length]) for length in range(len(values) + 1)]

    assert path == sorted(path)
    assert all(np.isfinite(path))


@pytest.mark.parametrize(("selection", "copies"), [(0.0, 1), (0.5, 3), (1.0, 10)])
def test_equal_releases_stay_whatever_feedback_is_sent_and_however_often(
    selection: float, copies: int
) -> None:
    # Feedback labels right predictions with this probability, wrong ones always; it never counts. A label of
    # the same text counts once.
    random, rollbacks, worlds = np.random.default_rng(7), 0, 60
    for _ in range(worlds):
        cells = random.choice(4, size=300, p=[0.1, 0.1, 0.6, 0.2])
        champion = ["yes" if cell in (1, 2) else "no" for cell in cells]
        previous = {f"c{row}": "yes" if cell in (0, 2) else "no" for row, cell in enumerate(cells)}
        audited = audit_labels(["yes"] * 300, champion)
        sent = [
            entry
            for entry in audit_labels(["yes"] * 300, champion, origin="feedback")
            if entry.predicted == "no" or random.random() < selection
        ]
        votes = first_labels([*audited * copies, *sent * copies])
        assert len(votes) == 300
        rollbacks += (
            evidence(
                [(previous[vote.cluster] == "yes") - float(vote.predicted == "yes") for vote in votes],
                [1 / vote.inclusion for vote in votes],
            )
            >= NEEDED
        )

    # 1 of 20, and two standard errors of 60 worlds.
    assert rollbacks / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5


def test_one_text_sent_130_times_has_one_vote() -> None:
    votes = first_labels(audit_labels(["yes"] * 130, ["no"] * 130, cluster="the same"))

    assert len(votes) == 1
    assert evidence([1.0] * len(votes), [1.0] * len(votes)) < NEEDED
