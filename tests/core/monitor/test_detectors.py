"""What each detector sees of a window, what a budget allows, and how surprising a distance is."""

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
    """Give 200 texts: 60 %, 30 % and 10 % of three labels, 5 to 14 words, one in ten of them too short to tell its language."""
    rows = np.arange(200)
    columns = {
        "guess": np.repeat([0, 1, 2], [120, 60, 20]),
        "confidence": 0.5 + rows % 100 / 250,
        "words": 5.0 + rows % 10,
        "unknown": np.zeros(200),
        "lang": np.where(rows % 10 == 0, "und", "en"),
        "embedding": np.random.default_rng(1).standard_normal((200, 4)),
    }
    return WindowSample(**{**columns, **changed}, request=tuple(map(str, rows)), position=(0,) * 200)


def distances(window: WindowSample, reference: WindowSample) -> dict[str, float]:
    gauge = FeatureMap.of(reference, seed=1)
    sums = [
        np.stack([gauge.features(one)[half::2].sum(axis=0, dtype=np.float64) for half in (0, 1)])[:, None]
        for one in (window, reference)
    ]
    return {name: float(found[0]) for name, found in gauge.distances(*sums).items()}


def test_a_window_like_the_reference_is_at_no_distance_from_it() -> None:
    found = distances(plain(), plain())

    assert list(found) == ["label", "language", "confidence", "length", "unknown", "mmd", "classifier"]
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-6)


def test_the_label_share_is_measured_by_the_squared_hellinger_distance() -> None:
    found = distances(plain(guess=np.repeat([0, 1], [100, 100])), plain())

    # One less the overlap of (0.5, 0.5, 0) with (0.6, 0.3, 0.1): 1 - sqrt(0.30) - sqrt(0.15).
    assert found["label"] == pytest.approx(1 - 0.30**0.5 - 0.15**0.5, abs=1e-6)


def test_a_label_that_the_reference_never_got_counts_among_the_others() -> None:
    found = distances(plain(guess=np.full(200, 7)), plain())

    assert found["label"] == pytest.approx(1.0, abs=1e-6)


def test_a_length_is_measured_by_the_largest_gap_between_the_distribution_functions() -> None:
    # Every text is two words longer: of 5 to 14 words none has 5 or 6 any more.
    found = distances(plain(words=7.0 + np.arange(200) % 10), plain())

    assert found["length"] == pytest.approx(0.2, abs=1e-6)


def test_one_text_in_ten_with_unknown_tokens_where_none_had_any_is_a_distance_of_a_tenth() -> None:
    assert distances(plain(unknown=np.where(np.arange(200) < 20, 0.01, 0)), plain())[
        "unknown"
    ] == pytest.approx(0.1, abs=1e-6)


def test_texts_too_short_to_tell_their_language_are_no_other_language() -> None:
    short = distances(plain(lang=np.full(200, "und"), words=np.full(200, 5.0)), plain())

    assert short["language"] == pytest.approx(0, abs=1e-6)
    assert short["length"] == pytest.approx(
        0.9, abs=1e-6
    )  # a tenth of the reference has no more than five words


def test_other_shares_of_the_same_texts_move_the_label_and_not_the_embedding() -> None:
    chance = np.random.default_rng(3)
    reference = texts(3000, chance)
    window = texts(6000, chance)
    gloomy = window.only([*np.flatnonzero(window.guess == 0)[:700], *np.flatnonzero(window.guess != 0)[:300]])
    same = window.only(range(1000))

    found, alike = distances(gloomy, reference), distances(same, reference)

    assert found["label"] > 20 * alike["label"]
    assert found["mmd"] < 3 * alike["mmd"]


def test_the_classifier_tells_by_how_many_standard_deviations_the_two_lie_apart() -> None:
    chance = np.random.default_rng(5)
    reference = dataclasses.replace(plain(), embedding=chance.standard_normal((200, 4)))
    window = dataclasses.replace(plain(), embedding=chance.standard_normal((200, 4)) * 1.0 + [3, 0, 0, 0])

    assert distances(window, reference)["classifier"] == pytest.approx(3, abs=0.5)


def test_of_few_texts_few_axes_are_learnt() -> None:
    wide = FeatureMap.of(
        dataclasses.replace(plain(), embedding=np.random.default_rng(2).standard_normal((200, 50))), seed=1
    )

    place = wide.places["classifier"]
    assert place.stop - place.start == 4


def test_samples_keep_their_columns_together() -> None:
    part = plain().only([5, 3])

    assert (len(part), part.request, part.words.tolist()) == (2, ("5", "3"), [10.0, 8.0])
    with pytest.raises(AssertionError):
        dataclasses.replace(plain(), words=np.zeros(3))


@pytest.mark.parametrize(("alarms", "of"), [(1, 1), (2, 2), (1, 3), (2, 3), (3, 5)])
@pytest.mark.parametrize("chance", [0.02, 0.3])
def test_the_chance_that_an_alarm_starts_is_that_of_all_series_in_which_one_does(
    alarms: int, of: int, chance: float
) -> None:
    counted = 0.0
    for series in itertools.product((0, 1), repeat=of + 1):
        before, now = sum(series[:-1]) >= alarms, sum(series[1:]) >= alarms
        counted += (now and not before) * chance ** sum(series) * (1 - chance) ** (of + 1 - sum(series))

    assert alarm_budget.alarm_start_rate(chance, alarms=alarms, of=of) == pytest.approx(counted)


@settings(max_examples=30, deadline=None)
@given(
    target=st.floats(1e-6, 0.05),
    shared=st.floats(0, 0.5),
    rule=st.sampled_from([(1, 1), (2, 3), (2, 2), (3, 5)]),
)
def test_at_the_level_as_many_alarms_start_as_were_asked_for(
    target: float, shared: float, rule: tuple[int, int]
) -> None:
    named = {"alarms": rule[0], "of": rule[1]}

    level = alarm_budget.drift_level(target, shared=shared, **named)

    assert alarm_budget.mean_alarm_start_rate(level, shared=shared, **named) == pytest.approx(
        target, rel=1e-3
    )
    assert level <= alarm_budget.drift_level(target * 1.5, shared=shared, **named)


def test_hourly_windows_of_one_topic_may_drift_one_and_a_half_times_in_a_hundred() -> None:
    # 2 q^2 (1 - q)^2 = 1 / 2191.5 has the root 0.01535.
    assert alarm_budget.drift_level(1 / 2191.5, shared=0, alarms=2, of=3) == pytest.approx(0.01535, abs=1e-5)


def test_no_level_is_so_high_that_alarms_hardly_end() -> None:
    assert alarm_budget.drift_level(10.0, shared=0, alarms=2, of=3) == pytest.approx(0.5)


def test_windows_that_share_a_part_of_their_chance_alarm_more_often() -> None:
    chance = np.random.default_rng(1)
    shared, level = 0.3, 0.05
    common, own = chance.standard_normal((20000, 1)), chance.standard_normal((20000, 20))
    far = np.abs(shared**0.5 * common + (1 - shared) ** 0.5 * own) > alarm_budget.NORMAL.inv_cdf(
        1 - level / 2
    )
    pairs = float((far[:, 0] & far[:, 1:].T).mean())

    assert alarm_budget.joint_drift_rate(level, shared=shared) == pytest.approx(pairs, rel=0.05)
    assert alarm_budget.shared_variance(
        level, alarm_budget.joint_drift_rate(level, shared=shared), most=0.9
    ) == pytest.approx(shared, abs=1e-6)
    assert alarm_budget.shared_variance(level, level, most=0.4) == pytest.approx(0.4)


def test_common_values_are_counted_and_rare_ones_thin_out_as_fast_as_the_tail_does() -> None:
    tail = NullDistribution.of(np.random.default_rng(1).exponential(2.0, 2000))

    assert tail.chance(np.array([0.0, np.median(tail.values_B)])) == pytest.approx([1.0, 0.5], abs=0.001)
    # exp(-12 / 2) = 0.0025, which five of 2000 values reach.
    assert tail.chance(np.array([12.0]))[0] == pytest.approx(np.exp(-6), rel=0.5)
    assert tail.chance(np.array([1e9]))[0] == pytest.approx(1e-9)


@settings(max_examples=30, deadline=None)
@given(chance=st.floats(1e-6, 0.5))
def test_the_value_reached_with_a_chance_has_that_chance(chance: float) -> None:
    tail = NullDistribution.of(np.random.default_rng(1).exponential(2.0, 2000))

    assert tail.chance(np.array([tail.reached(chance)]))[0] == pytest.approx(chance, rel=0.06)


def test_a_step_that_few_values_take_is_no_more_surprising_than_it_is_rare() -> None:
    steps = NullDistribution.of(np.repeat([0.0, 1.0, 2.0], [1800, 188, 12]))

    assert steps.score(np.array([0.0, 1.0, 2.0])) == pytest.approx(-np.log([1, 0.1, 0.006]))
