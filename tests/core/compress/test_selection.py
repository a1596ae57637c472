"""The rule that chooses what is served, with figures that a person can check."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import CompressionBudget
from pipeline.core.compress.selection import (
    MeasuredVariant,
    SliceDrop,
    choose_variant,
    menu_document,
    pareto_front,
)

BUDGET = CompressionBudget(
    max_f1_drop=0.01, max_slice_drop=0.05, min_agreement=0.9, max_megabytes=25.0, equal_speed=0.1
)


def variant(name="int8", **figures):
    plain = {
        **{
            "recipe": {},
            "parameters": 100,
            "megabytes": 20.0,
            "macro_f1": 0.74,
            "macro_f1_fall": 0.0,
            "agreement": 0.98,
        },
        **{
            "worst_slice": SliceDrop("source=tweet", 0.01),
            "p50_ms": 1.0,
            "p95_ms": 2.0,
            "p50_ms_32": 20.0,
            "p95_ms_32": 30.0,
        },
        "texts_per_second": 500.0,
    }
    return MeasuredVariant(name=name, **{**plain, **figures})


WHOLE = variant("fp32", megabytes=90.0, texts_per_second=200.0, agreement=1.0)


def test_the_quickest_that_holds_is_served():
    choice = choose_variant(
        [WHOLE, variant(), variant("half", texts_per_second=900.0, macro_f1_fall=0.009)], BUDGET, whole="fp32"
    )

    assert choice.chosen == "half"
    assert choice.reasons[0] == "fp32 does not hold: it takes 90.0 MB, at most 25.0 are allowed."
    assert choice.reasons[1].startswith(
        "half is served, the quickest of 2 that hold compress.budget: macro F1 0.7400 (-0.0090)"
    )


def test_of_two_as_quick_the_smaller_is_served():
    both = [
        variant("large", texts_per_second=1000.0),
        variant("small", texts_per_second=901.0, megabytes=10.0),
    ]

    assert choose_variant(both, BUDGET, whole="large").chosen == "small"
    assert (
        choose_variant(
            [both[0], dataclasses.replace(both[1], texts_per_second=899.0)], BUDGET, whole="large"
        ).chosen
        == "large"
    )


def test_each_limit_refuses_with_its_own_sentence():
    broken = {
        "macro F1 falls by 0.0110, at most 0.0100 is allowed": {"macro_f1_fall": 0.011},
        "macro F1 of length=33+ falls by 0.0600, at most 0.0500 is allowed": {
            "worst_slice": SliceDrop("length=33+", 0.06)
        },
        "it agrees with its parent on 0.8900, at least 0.9000 is asked": {"agreement": 0.89},
        "it takes 26.0 MB, at most 25.0 are allowed": {"megabytes": 26.0},
    }
    for sentence, figures in broken.items():
        choice = choose_variant([WHOLE, variant(**figures)], BUDGET, whole="fp32")

        assert choice.verdicts["int8"] == sentence
        assert choice.chosen == "fp32"
        assert choice.reasons[-1] == "fp32 is served, for no variant holds compress.budget."


def test_a_variant_that_another_beats_in_everything_is_not_on_the_edge():
    assert pareto_front(
        [variant("a"), variant("b", megabytes=30.0), variant("c", texts_per_second=900.0, macro_f1=0.70)]
    ) == {"a", "c"}
    assert pareto_front([variant("a"), variant("twin")]) == {"a", "twin"}


def test_the_menu_tells_of_every_variant_whether_it_fits():
    found = [WHOLE, variant()]
    told = menu_document(
        found, choose_variant(found, BUDGET, whole="fp32"), parent={"macro_f1": 0.74}, threads=2
    )

    assert (told["chosen"], told["threads"]) == ("int8", 2)
    assert [(one["name"], one["fits"], one["pareto"]) for one in told["variants"]] == [
        ("fp32", False, False),
        ("int8", True, True),
    ]
    assert told["variants"][1]["worst_slice"] == {"name": "source=tweet", "fall": 0.01}
    assert told["variants"][0]["reason"] == "It does not hold: it takes 90.0 MB, at most 25.0 are allowed."


figures = st.fixed_dictionaries(
    {
        "macro_f1_fall": st.floats(-0.02, 0.03),
        "agreement": st.floats(0.8, 1.0),
        "megabytes": st.floats(5, 50),
        "texts_per_second": st.floats(50, 2000),
    }
)


@given(st.lists(figures, min_size=1, max_size=6))
def test_what_is_served_holds_the_budget_or_is_the_whole_parent(drawn):
    found = [WHOLE, *(variant(f"v{number}", **one) for number, one in enumerate(drawn))]

    choice = choose_variant(found, BUDGET, whole="fp32")

    served = next(one for one in found if one.name == choice.chosen)
    assert choice.verdicts[served.name] is None or served.name == "fp32"
    fitting = [one for one in found if choice.verdicts[one.name] is None]
    assert all(one.texts_per_second * 0.9 <= served.texts_per_second for one in fitting)
