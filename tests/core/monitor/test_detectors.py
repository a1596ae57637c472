"""Distances of the detectors, the alarm budget, and p-values from null distributions."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from population import texts

from pipeline.core.monitor import alarm_budget
from pipeline.core.monitor.detectors import FeatureMap, WindowSample
from pipeline.core.monitor.tails import NullDistribution


def plain(**changed: np.ndarray) -> WindowSample:
    """Return 200 texts: 60 %, 30 % and 10 % of three labels, 5 to 14 words, one in ten without a language."""
    rows = np.arange(200)
    columns = {
        "predicted": np.repeat([0, 1, 2], [120, 60, 20]),
        "confidence": 0.5 + rows % 100 / 250,
        "words": 5.0 + rows % 10,
        "unknown": np.zeros(200),
        "lang": np.where(rows % 10 == 0, "und", "en"),
        "embedding": np.random.default_rng(1).standard_normal((200, 4)),
    }
    return WindowSample(**{**columns, **changed}, request=tuple(map(str, rows)), position=(0,) * 200)


def distances(window: WindowSample, reference: WindowSample) -> dict[str, float]:
    feature_map = FeatureMap.of(reference, seed=1)
    sums = [
        np.stack([feature_map.features(one)[half::2].sum(axis=0, dtype=np.float64) for half in (0, 1)])[
            :, None
        ]
        for one in (window, reference)
    ]
    return {name: float(values[0]) for name, values in feature_map.distances(*sums).items()}


def test_a_window_equal_to_the_reference_has_distance_0() -> None:
    measured = distances(plain(), plain())

    assert list(measured) == ["label", "language", "confidence", "length", "unknown", "mmd", "classifier"]
    assert measured == pytest.approx(dict.fromkeys(measured, 0.0), abs=1e-6)


def test_label_shares_are_measured_by_the_squared_hellinger_distance() -> None:
    measured = distances(plain(predicted=np.repeat([0, 1], [100, 100])), plain())

    # One less the overlap of (0.5, 0.5, 0) with (0.6, 0.3, 0.1): 1 - sqrt(0.30) - sqrt(0.15).
    assert measured["label"] == pytest.approx(1 - 0.30**0.5 - 0.15**0.5, abs=1e-6)


def test_a_label_absent_from_the_reference_is_pooled() -> None:
    measured = distances(plain(predicted=np.full(200, 7)), plain())

    assert measured["label"] == pytest.approx(1.0, abs=1e-6)


def test_length_is_measured_by_the_kolmogorov_smirnov_distance() -> None:
    # Every text is two words longer: of 5 to 14 words none has 5 or 6 any more.
    measured = distances(plain(words=7.0 + np.arange(200) % 10), plain())

    assert measured["length"] == pytest.approx(0.2, abs=1e-6)


def test_unknown_tokens_in_one_text_of_ten_are_a_distance_of_a_tenth() -> None:
    assert distances(plain(unknown=np.where(np.arange(200) < 20, 0.01, 0)), plain())[
        "unknown"
    ] == pytest.approx(0.1, abs=1e-6)


def test_texts_too_short_for_language_detection_are_no_other_language() -> None:
    short = distances(plain(lang=np.full(200, "und"), words=np.full(200, 5.0)), plain())

    assert short["language"] == pytest.approx(0, abs=1e-6)
    assert short["length"] == pytest.approx(
        0.9, abs=1e-6
    )  # a tenth of the reference has no more than five words


def test_a_shift_of_label_shares_moves_the_label_and_not_the_embedding() -> None:
    random = np.random.default_rng(3)
    reference = texts(3000, random)
    window = texts(6000, random)
    gloomy = window.take(
        [*np.flatnonzero(window.predicted == 0)[:700], *np.flatnonzero(window.predicted != 0)[:300]]
    )
    same = window.take(range(1000))

    measured, alike = distances(gloomy, reference), distances(same, reference)

    assert measured["label"] > 20 * alike["label"]
    assert measured["mmd"] < 3 * alike["mmd"]


def test_the_classifier_measures_the_difference_in_standard_deviations() -> None:
    random = np.random.default_rng(5)
    reference = dataclasses.replace(plain(), embedding=random.standard_normal((200, 4)))
    window = dataclasses.replace(plain(), embedding=random.standard_normal((200, 4)) * 1.0 + [3, 0, 0, 0])

    assert distances(window, reference)["classifier"] == pytest.approx(3, abs=0.5)


def test_few_texts_give_few_principal_axes() -> None:
    wide = FeatureMap.of(
        dataclasses.replace(plain(), embedding=np.random.default_rng(2).standard_normal((200, 50))), seed=1
    )

    columns = wide.columns["classifier"]
    assert columns.stop - columns.start == 4


def test_rows_of_a_sample_keep_their_columns_together() -> None:
    part = plain().take([5, 3])

    assert (len(part), part.request, part.words.tolist()) == (2, ("5", "3"), [10.0, 8.0])
    with pytest.raises(AssertionError):
        dataclasses.replace(plain(), words=np.zeros(3))


@pytest.mark.parametrize(("alarms", "of"), [(1, 1), (2, 2), (1, 3), (2, 3), (3, 5)])
@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_the_alarm_start_rate_equals_an_enumeration_of_all_series(alarms: int, of: int, rate: float) -> None:
    counted = 0.0
    for series in itertools.product((0, 1), repeat=of + 1):
        before, now = sum(series[:-1]) >= alarms, sum(series[1:]) >= alarms
        counted += (now and not before) * rate ** sum(series) * (1 - rate) ** (of + 1 - sum(series))

    assert alarm_budget.alarm_start_rate(rate, alarm_windows=alarms, of_windows=of) == pytest.approx(counted)


@settings(max_examples=30, deadline=None)
@given(
    target=st.floats(1e-6, 0.05),
    shared=st.floats(0, 0.5),
    rule=st.sampled_from([(1, 1), (2, 3), (2, 2), (3, 5)]),
)
def test_at_the_drift_level_the_target_rate_of_alarms_starts(
    target: float, shared: float, rule: tuple[int, int]
) -> None:
    rule_settings = {"alarm_windows": rule[0], "of_windows": rule[1]}

    level = alarm_budget.drift_level(target, shared=shared, **rule_settings)

    assert alarm_budget.mean_alarm_start_rate(level, shared=shared, **rule_settings) == pytest.approx(
        target, rel=1e-3
    )
    assert level <= alarm_budget.drift_level(target * 1.5, shared=shared, **rule_settings)


def test_the_drift_level_of_hourly_windows_of_one_topic_is_1_5_percent() -> None:
    # 2 q^2 (1 - q)^2 = 1 / 2191.5 has the root 0.01535.
    assert alarm_budget.drift_level(1 / 2191.5, shared=0, alarm_windows=2, of_windows=3) == pytest.approx(
        0.01535, abs=1e-5
    )


def test_the_drift_level_is_bounded() -> None:
    assert alarm_budget.drift_level(10.0, shared=0, alarm_windows=2, of_windows=3) == pytest.approx(0.5)


def test_the_shared_variance_of_windows_is_recovered() -> None:
    random = np.random.default_rng(1)
    shared, level = 0.3, 0.05
    common, own = random.standard_normal((20000, 1)), random.standard_normal((20000, 20))
    far = np.abs(shared**0.5 * common + (1 - shared) ** 0.5 * own) > alarm_budget.NORMAL.inv_cdf(
        1 - level / 2
    )
    pairs = float((far[:, 0] & far[:, 1:].T).mean())

    assert alarm_budget.joint_drift_rate(level, shared=shared) == pytest.approx(pairs, rel=0.05)
    assert alarm_budget.shared_variance(
        level, alarm_budget.joint_drift_rate(level, shared=shared), most=0.9
    ) == pytest.approx(shared, abs=1e-6)
    assert alarm_budget.shared_variance(level, level, most=0.4) == pytest.approx(0.4)


def test_p_values_are_counted_in_the_middle_and_exponential_in_the_tail() -> None:
    tail = NullDistribution.of(np.random.default_rng(1).exponential(2.0, 2000))

    assert tail.p_value(np.array([0.0, np.median(tail.values_B)])) == pytest.approx([1.0, 0.5], abs=0.001)
    # exp(-12 / 2) = 0.0025, which five of 2000 values reach.
    assert tail.p_value(np.array([12.0]))[0] == pytest.approx(np.exp(-6), rel=0.5)
    assert tail.p_value(np.array([1e9]))[0] == pytest.approx(1e-9)


@settings(max_examples=30, deadline=None)
@given(rate=st.floats(1e-6, 0.5))
def test_the_quantile_of_a_p_value_has_that_p_value(rate: float) -> None:
    tail = NullDistribution.of(np.random.default_rng(1).exponential(2.0, 2000))

    assert tail.p_value(np.array([tail.quantile(rate)]))[0] == pytest.approx(rate, rel=0.06)


def test_a_rare_step_is_as_surprising_as_it_is_rare() -> None:
    steps = NullDistribution.of(np.repeat([0.0, 1.0, 2.0], [1800, 188, 12]))

    assert steps.surprise(np.array([0.0, 1.0, 2.0])) == pytest.approx(-np.log([1, 0.1, 0.006]))
