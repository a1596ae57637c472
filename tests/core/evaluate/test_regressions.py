"""What a difference shows of a regression."""

import pytest
from judged import GATE

from pipeline.core.evaluate.regressions import regression_state


@pytest.mark.parametrize(
    ("figures", "margin", "state"),
    [
        ((0.00, -0.02, 0.01, 1.00), 0.05, "not worse"),
        ((-0.08, -0.12, 0.02, 0.01), 0.05, "worse"),
        ((-0.03, -0.06, 0.01, 0.30), 0.05, "not shown"),
        ((-0.03, -0.20, 0.10, 0.30), 0.05, "not known"),
        # No share falls by more than all of it.
        ((-1.00, -1.00, 0.00, 0.00), 1.00, "not worse"),
    ],
)
def test_a_drop_is_worse_not_worse_not_shown_or_not_known(
    figures: tuple[float, float, float, float], margin: float, state: str
) -> None:
    assert regression_state(figures, margin=margin, gate=GATE) == state
