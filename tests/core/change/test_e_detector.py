"""The e-detector: its false alarms, how soon it finds a step, and its onset."""

import numpy as np
import pytest
from monitored import QUARTER, World, alarm_starts, delays
from scipy.stats import poisson

from pipeline.core.change.alarms import KINDS
from pipeline.core.change.e_detector import detect, log_mean
from pipeline.core.change.innovations import Innovations
from pipeline.core.monitor.alarm_budget import evidence_threshold, share_of

TOPICS = 15


def innovations(values: np.ndarray, *, gain: float = 0.0) -> Innovations:
    one = np.ones_like(values)
    return Innovations(values, one, one * gain, one * 0.9, one.copy())


@pytest.mark.parametrize("gain", [0.0, 0.25, 0.9])
def test_alarms_come_at_most_as_often_as_the_bound_promises(gain: float) -> None:
    values = np.random.default_rng(1).normal(size=(1500, 100))
    log_e = detect(innovations(values, gain=gain), since=0).log_e

    # 150,000 windows, and evidence of e^6 at most once in e^6 windows.
    assert alarm_starts(log_e, 6.0) <= poisson.ppf(0.975, values.size / np.exp(6.0))


@pytest.mark.parametrize("cycle", [0.02, 0.05, 0.10])
def test_false_alarms_of_a_quarter_stay_within_the_budget(cycle: float) -> None:
    # At 12 allowed in a quarter over all topics; the default budget would show none in so few worlds.
    threshold = evidence_threshold(12.0, detectors=TOPICS, windows_per_quarter=QUARTER)
    alarms = alarm_starts(World(cycle, 0.02, topics=TOPICS).evidence(1), threshold)

    assert alarms <= poisson.ppf(0.975, 12.0)


def test_a_shift_of_ten_points_is_found_within_a_day_at_the_default_budget() -> None:
    threshold = evidence_threshold(
        share_of(1.0, "drift"), detectors=30 * len(KINDS), windows_per_quarter=QUARTER
    )
    world = World(0.05, 0.01, topics=TOPICS, change=0.10, hours=28 * 24 + 150)
    found = delays(world.evidence(7, changed=100), threshold, changed=100)

    # 0.95 less two standard errors of so many topics.
    assert np.mean(np.array(found) <= 24) >= 0.84, sorted(found)


def test_the_onset_of_a_step_is_found() -> None:
    values = np.random.default_rng(2).normal(size=(100, 3))
    values[60:, 1] += 3.0
    evidence = detect(innovations(values), since=0)

    assert evidence.log_e[70].argmax() == 1
    assert abs(int(evidence.onset[70, 1]) - 60) <= 1


def test_no_onset_lies_before_the_allowed_row() -> None:
    values = np.zeros((80, 2))
    values[10:] = 4.0
    evidence = detect(innovations(values), since=np.array([0, 50]))

    assert np.isneginf(evidence.log_e[:50, 1]).all()
    assert evidence.log_e[49, 0] > 100
    assert int(evidence.onset[60, 1]) >= 50


def test_windows_without_a_value_add_nothing() -> None:
    values = np.random.default_rng(3).normal(size=(60, 1))
    missing = innovations(values)
    missing.known[30:] = 0
    evidence = detect(missing, since=0)

    assert evidence.log_e[30:].max() <= np.log(np.exp(evidence.log_e[29]) + 31)


def test_detectors_of_one_kind_are_averaged() -> None:
    assert log_mean(np.log([[1.0, 3.0], [2.0, 2.0]])) == pytest.approx(np.log([2.0, 2.0]))
