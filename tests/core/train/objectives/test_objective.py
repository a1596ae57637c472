"""What is evaluated at once: some texts, in their order, within a bound of tokens."""

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.core.train.objectives.objective import EVAL_TEXTS, EVAL_TOKENS, evaluated_at_once


@given(st.lists(st.integers(1, 600), max_size=400))
@example([1] * 300)
@example([EVAL_TOKENS + 1, 1])
def test_every_text_is_evaluated_once_within_the_bound(lengths):
    found = list(evaluated_at_once(lengths))

    assert [row for rows in found for row in rows] == list(range(len(lengths)))
    for rows in found:
        longest = max(lengths[row] for row in rows)
        assert len(rows) == 1 or (len(rows) <= EVAL_TEXTS and longest * len(rows) <= EVAL_TOKENS)


def test_long_texts_are_evaluated_a_few_at_once():
    assert [len(rows) for rows in evaluated_at_once([512] * 40)] == [16, 16, 8]
    assert [len(rows) for rows in evaluated_at_once([64] * 300)] == [128, 128, 44]
