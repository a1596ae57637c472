"""The rule that chooses the variant to serve, with numbers that a person can check."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import CompressionBudget
from pipeline.core.compress.selection import (
    MeasuredVariant,
    choose_variant,
    menu_document,
    pareto_front,
)
from pipeline.core.compress.speed import Speed

BUDGET = CompressionBudget(
    max_f1_drop=0.01, max_slice_drop=0.05, min_agreement=0.9, max_megabytes=25.0, equal_speed=0.1
)
SHAPE = {"vocabulary_min_count": None, "layers": 1.0, "heads": 1.0, "feed_forward": 1.0, "int8": True}
WORST_SLICE = {"name": "source=tweet", "drop": 0.01}


def variant(
    name="int8",
    *,
    megabytes=20.0,
    macro_f1=0.74,
    macro_f1_drop=0.0,
    worst_slice=WORST_SLICE,
    agreement=0.98,
    texts_per_second=500.0,
):
    return MeasuredVariant(
        name=name,
        recipe=SHAPE,
        parameters=100,
        megabytes=megabytes,
        macro_f1=macro_f1,
        macro_f1_drop=macro_f1_drop,
        worst_slice=worst_slice,
        agreement=agreement,
        speed=Speed(1.0, 2.0, 20.0, 30.0, texts_per_second),
    )


TEACHER = variant("fp32", megabytes=90.0, texts_per_second=200.0, agreement=1.0)


def test_the_fastest_within_the_budget_is_served():
    fast = variant("half", texts_per_second=900.0, macro_f1_drop=0.009)

    choice = choose_variant([TEACHER, variant(), fast], BUDGET, teacher="fp32")

    assert choice.chosen == "half"
    assert choice.reasons[0] == "fp32 exceeds the budget: the size is 90.0 MB, the limit is 25.0 MB."
    assert choice.reasons[1].startswith(
        "half is served, the fastest of 2 within compress.budget: macro F1 0.7400 (-0.0090)"
    )


def test_of_two_equally_fast_the_smaller_is_served():
    large = variant("large", texts_per_second=1000.0)
    equal = variant("small", texts_per_second=901.0, megabytes=10.0)
    slower = variant("small", texts_per_second=899.0, megabytes=10.0)

    assert choose_variant([large, equal], BUDGET, teacher="large").chosen == "small"
    assert choose_variant([large, slower], BUDGET, teacher="large").chosen == "large"


def test_each_limit_has_its_own_sentence():
    broken = {
        "macro F1 drops by 0.0110, the limit is 0.0100": variant(macro_f1_drop=0.011),
        "macro F1 of length=33+ drops by 0.0600, the limit is 0.0500": variant(
            worst_slice={"name": "length=33+", "drop": 0.06}
        ),
        "agreement with the teacher is 0.8900, the minimum is 0.9000": variant(agreement=0.89),
        "the size is 26.0 MB, the limit is 25.0 MB": variant(megabytes=26.0),
    }
    for sentence, measured in broken.items():
        choice = choose_variant([TEACHER, measured], BUDGET, teacher="fp32")

        assert choice.faults["int8"] == sentence
        assert choice.chosen == "fp32"
        assert choice.reasons[-1] == "fp32 is served: no variant is within compress.budget."


def test_a_dominated_variant_is_not_on_the_pareto_front():
    worse, faster = variant("b", megabytes=30.0), variant("c", texts_per_second=900.0, macro_f1=0.70)

    assert pareto_front([variant("a"), worse, faster]) == {"a", "c"}
    assert pareto_front([variant("a"), variant("twin")]) == {"a", "twin"}


def test_the_menu_holds_every_variant_and_whether_it_fits():
    variants = [TEACHER, variant()]
    choice = choose_variant(variants, BUDGET, teacher="fp32")

    menu = menu_document(variants, choice, teacher=TEACHER, threads=2)

    assert (menu["chosen"], menu["threads"]) == ("int8", 2)
    assert menu["teacher"] == {"macro_f1": 0.74, "parameters": 100, "megabytes": 90.0}
    assert [(entry["name"], entry["fits"], entry["pareto"]) for entry in menu["variants"]] == [
        ("fp32", False, False),
        ("int8", True, True),
    ]
    assert menu["variants"][1]["worst_slice"] == {"name": "source=tweet", "drop": 0.01}
    assert menu["variants"][1]["texts_per_second"] == 500.0
    assert menu["variants"][0]["reason"] == "Exceeds the budget: the size is 90.0 MB, the limit is 25.0 MB."


MEASUREMENTS = st.fixed_dictionaries(
    {
        "macro_f1_drop": st.floats(-0.02, 0.03),
        "agreement": st.floats(0.8, 1.0),
        "megabytes": st.floats(5, 50),
        "texts_per_second": st.floats(50, 2000),
    }
)


@given(st.lists(MEASUREMENTS, min_size=1, max_size=6))
def test_the_served_variant_is_within_the_budget_or_the_teacher(measurements):
    variants = [TEACHER, *(variant(f"v{number}", **values) for number, values in enumerate(measurements))]

    choice = choose_variant(variants, BUDGET, teacher="fp32")

    served = next(one for one in variants if one.name == choice.chosen)
    assert choice.faults[served.name] is None or served.name == "fp32"
    fitting = [one for one in variants if choice.faults[one.name] is None]
    assert all(one.speed.texts_per_second * 0.9 <= served.speed.texts_per_second for one in fitting)
