"""Human agreement on small panels of raters, worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config.sources import RatingRule
from pipeline.base.records import TextRecord
from pipeline.core.evaluate.human_agreement import ceiling, human_agreement, one_rater

LABELS = ("negative", "neutral", "positive")
RULE = RatingRule(negative_to=-0.5, positive_from=0.5)
RATINGS = st.lists(st.integers(-4, 4), min_size=2, max_size=12).map(
    lambda ratings: np.array(ratings, dtype=np.float64)
)


def record(raters: str, label: str = "positive", source: str = "movie") -> TextRecord:
    return TextRecord("i", "a text", label, source, "g", "en", "", "MIT", raters=raters)


def test_each_rater_is_compared_with_the_mean_of_the_others() -> None:
    # 3 against mean(-1, 1) = 0: positive for neutral; -1 against 2: negative for positive;
    # 1 against 1: positive for positive.
    table_LL = one_rater(np.array([-1.0, 1.0, 3.0]), RULE)

    assert table_LL * 3 == pytest.approx(np.array([[0, 0, 0], [0, 0, 1], [1, 0, 1]]))


def test_the_halves_of_two_raters_are_one_rater_each() -> None:
    table_LL = ceiling(np.array([-2.0, 2.0]), RULE, np.random.default_rng(20))

    assert table_LL[0, 2] + table_LL[2, 0] == pytest.approx(1.0)


@given(RATINGS, st.integers(0, 2**32))
def test_a_table_sums_to_one_and_equal_raters_agree(panel: np.ndarray, seed: int) -> None:
    random = np.random.default_rng(seed)

    for table_LL in (one_rater(panel, RULE), ceiling(panel, RULE, random)):
        assert table_LL.shape == (3, 3)
        assert table_LL.sum() == pytest.approx(1.0)
    equal_R = np.full_like(panel, panel[0])
    assert (
        np.trace(one_rater(equal_R, RULE)) == np.trace(ceiling(equal_R, RULE, random)) == pytest.approx(1.0)
    )


def test_raters_and_candidate_are_measured_overall_and_by_source() -> None:
    records = [
        record("2 2 2 2"),
        record("-1 1 3"),
        record("-3 -3", "negative", "nyt"),
        record("-3 -3 -3", "negative", "nyt"),
    ]

    report = human_agreement(records, {"movie": RULE, "nyt": RULE}, [2, 1, 0, 1], LABELS, 20)

    assert report is not None
    assert (report["texts"], set(report["per_source"])) == (4, {"movie", "nyt"})
    # One third of text 2 agrees, and all of the others: (1 + 1/3 + 1 + 1) / 4.
    assert report["one_rater"]["accuracy"] == pytest.approx(10 / 12)
    assert report["per_source"]["movie"]["one_rater"]["accuracy"] == pytest.approx(4 / 6)
    assert report["per_source"]["nyt"]["one_rater"] == {"accuracy": 1.0, "macro_f1": 1.0}
    # F1 of positive and of negative is 2/3; no text is neutral, so neutral is no class, only two errors.
    assert report["candidate"] == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 3)}
    assert report["per_source"]["movie"]["candidate"]["accuracy"] == 0.5


def test_texts_without_raters_or_rule_do_not_count() -> None:
    records = [record(""), record("3"), record("3 3", source="own"), record("3 3")]

    report = human_agreement(records, {"movie": RULE}, [0, 0, 0, 2], LABELS, 20)

    assert report is not None
    assert (report["texts"], report["candidate"]["accuracy"], list(report["per_source"])) == (
        1,
        1.0,
        ["movie"],
    )
    assert human_agreement(records[:3], {"movie": RULE}, [0, 0, 0], LABELS, 20) is None


def test_seeds_change_the_scores_only_a_little() -> None:
    random = np.random.default_rng(7)
    panels = [random.integers(-2, 4, size=10) for _ in range(200)]
    records = [record(" ".join(map(str, panel))) for panel in panels]

    reports = [human_agreement(records, {"movie": RULE}, [2] * 200, LABELS, seed) for seed in (20, 20, 21)]

    assert reports[0] == reports[1] != reports[2]
    accuracies = [one["ceiling"]["accuracy"] for one in reports if one is not None]
    assert accuracies[0] == pytest.approx(accuracies[2], abs=0.01)
    assert all(
        one is not None and one["ceiling"]["accuracy"] > one["one_rater"]["accuracy"] for one in reports
    )
