"""Human agreement on small panels of raters, worked by hand, and the limit against a simulated truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.config.table_section import RatingRule
from pipeline.base.records import TextRecord
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.evaluate.human_agreement import human_agreement, panel_tables, perfect_score
from pipeline.report.release.agreement import agreement_sentences

LABELS = ("negative", "neutral", "positive")
RULE = RatingRule(negative_to=-0.5, positive_from=0.5)
SAMPLING = BootstrapConfig(resamples=200, confidence=0.95, seed=20)
RATINGS = st.lists(st.integers(-4, 4), min_size=2, max_size=12).map(
    lambda ratings: np.array(ratings, dtype=np.float64)
)


def record(raters: str, label: str = "positive", source: str = "movie", group: str = "g") -> TextRecord:
    return TextRecord("i", "a text", label, source, group, "en", "", "MIT", raters=raters)


@settings(deadline=None)
@given(RATINGS, st.integers(0, 2), st.integers(0, 2**32))
def test_tables_sum_to_one_and_share_their_truth(panel: np.ndarray, predicted: int, seed: int) -> None:
    tables = panel_tables(panel, RULE, predicted, np.random.default_rng(seed))

    assert set(tables) == {0} | {size for size in (1, 2, 3, 5, 10) if size <= len(panel) - len(panel) // 2}
    for candidate_LL, raters_LL in tables.values():
        assert candidate_LL.sum() == pytest.approx(1.0)
        assert candidate_LL.sum(axis=1) == pytest.approx(raters_LL.sum(axis=1))
        assert candidate_LL[:, predicted].sum() == pytest.approx(1.0)


def test_two_raters_are_one_each() -> None:
    candidate_LL, rater_LL = panel_tables(np.array([-2.0, 2.0]), RULE, 2, np.random.default_rng(1))[1]

    assert rater_LL[0, 2] + rater_LL[2, 0] == pytest.approx(1.0)
    assert candidate_LL[0, 2] + candidate_LL[2, 2] == pytest.approx(1.0)


def test_raters_and_candidate_are_measured_overall_and_by_source() -> None:
    records = [
        record("2 2 2 2", group="a"),
        record("-3 -3", "negative", "nyt", group="b"),
        record("-3 -3 -3", "negative", "nyt", group="c"),
    ]

    report = human_agreement(records, {"movie": RULE, "nyt": RULE}, [2, 0, 1], LABELS, SAMPLING)

    assert report is not None
    assert (report["texts"], set(report["per_source"])) == (3, {"movie", "nyt"})
    assert [(row["raters"], row["texts"]) for row in report["panels"]] == [(1, 3), (2, 2)]
    # Every panel agrees with the others; the candidate is wrong on the third text.
    one = report["panels"][0]
    assert one["panel"]["accuracy"] == pytest.approx(1.0)
    assert one["candidate"]["accuracy"] == pytest.approx(2 / 3)
    assert one["low"] <= one["difference"] <= one["high"]
    assert report["candidate"]["accuracy"] == pytest.approx(2 / 3)
    assert report["limit"]["accuracy"] == pytest.approx(1.0)
    assert report["per_source"]["nyt"]["candidate"]["accuracy"] == 0.5


def test_texts_without_raters_or_rule_do_not_count() -> None:
    records = [record(""), record("3"), record("3 3", source="own"), record("3 3")]

    report = human_agreement(records, {"movie": RULE}, [0, 0, 0, 2], LABELS, SAMPLING)

    assert report is not None
    assert (report["texts"], report["candidate"]["accuracy"], list(report["per_source"])) == (
        1,
        1.0,
        ["movie"],
    )
    assert human_agreement(records[:3], {"movie": RULE}, [0, 0, 0], LABELS, SAMPLING) is None


def test_a_panel_beats_a_smaller_one_and_the_limit_is_that_of_the_perfect_knower() -> None:
    random = np.random.default_rng(7)
    truth_N = random.normal(0.3, 1.8, size=1500)
    ratings_NR = truth_N[:, None] + random.normal(0, 1.5, size=(1500, 20))
    means_N = ratings_NR.mean(axis=1)

    def labels_of(values: np.ndarray) -> list[int]:
        return [RULE.label(value) for value in values.tolist()]

    records = [
        record(" ".join(map(str, row)), LABELS[label], group=str(number))
        for number, (row, label) in enumerate(zip(ratings_NR.tolist(), labels_of(means_N), strict=True))
    ]
    knower = labels_of(truth_N)

    report = human_agreement(records, {"movie": RULE}, knower, LABELS, SAMPLING)

    assert report is not None
    scores = [row["panel"]["macro_f1"] for row in report["panels"]]
    assert scores == sorted(scores)
    assert all(row["low"] > 0 for row in report["panels"])
    print(f"limit {report['limit']['macro_f1']:.3f}, a perfect knower {report['candidate']['macro_f1']:.3f}")
    assert report["limit"]["macro_f1"] == pytest.approx(report["candidate"]["macro_f1"], abs=0.015)
    assert report["limit"]["accuracy"] == pytest.approx(report["candidate"]["accuracy"], abs=0.015)
    assert agreement_sentences(report)[0].startswith("The release is better than the mean of 10 raters.")


def test_half_the_error_between_halves_is_left() -> None:
    assert perfect_score(0.88) == pytest.approx(0.94)
