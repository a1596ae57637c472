"""The rule that chooses the variant to serve, with numbers that a person can check."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import CompressionBudget
from pipeline.core.compress.measurement import BoundedFigure, MeasuredVariant, VariantQuality
from pipeline.core.compress.selection import choose_variant, menu_document, pareto_front
from pipeline.core.compress.speed import Speed

BUDGET = CompressionBudget(
    max_f1_drop=0.01,
    max_slice_drop=0.05,
    min_agreement=0.9,
    max_megabytes=25.0,
    confidence=0.95,
    resamples=100,
)
SHAPE = {"vocabulary_min_count": None, "layers": 1.0, "heads": 1.0, "feed_forward": 1.0, "int8": True}
WORST_SLICE = {"name": "source=tweet", "drop": 0.01, "bound": 0.03}


def variant(
    name="int8",
    *,
    megabytes=20.0,
    macro_f1=0.74,
    drop=(0.0, 0.005),
    worst_slice=WORST_SLICE,
    agreement=(0.98, 0.97),
    texts_per_second=500.0,
):
    return MeasuredVariant(
        name=name,
        recipe=SHAPE,
        parameters=100,
        megabytes=megabytes,
        quality=VariantQuality(macro_f1, BoundedFigure(*drop), worst_slice, BoundedFigure(*agreement)),
        speed=Speed(1.0, 2.0, 20.0, 30.0, texts_per_second),
    )


TEACHER = variant("fp32", megabytes=90.0, texts_per_second=200.0, agreement=(1.0, 0.99))


def choose(*variants):
    return choose_variant([TEACHER, *variants], BUDGET, teacher="fp32")


def test_the_smallest_within_the_budget_is_served():
    choice = choose(variant(), variant("half", megabytes=11.0, drop=(0.002, 0.009)))

    assert choice.chosen == "half"
    assert choice.reasons[0] == "fp32 is not served: the size is 90.0 MB, the limit is 25.0 MB."
    assert choice.reasons[1].startswith(
        "half is served, the smallest shown to be within compress.budget: "
        "macro F1 0.7400 (-0.0020, at worst -0.0090)"
    )


def test_speed_decides_nothing():
    slow, fast = (variant("a", megabytes=11.0, texts_per_second=speed) for speed in (1.0, 9000.0))

    assert choose(variant(), slow).chosen == choose(variant(), fast).chosen == "a"


def test_each_limit_has_its_own_sentence():
    broken = {
        "macro F1 may drop by 0.0110 (95% bound; measured 0.0040), the limit is 0.0100": variant(
            drop=(0.004, 0.011)
        ),
        "macro F1 of length=33+ may drop by 0.0600 (95% bound; measured 0.0200), "
        "the limit is 0.0500": variant(worst_slice={"name": "length=33+", "drop": 0.02, "bound": 0.06}),
        "agreement with the teacher may be as low as 0.8900 (95% bound; measured 0.9300), "
        "the minimum is 0.9000": variant(agreement=(0.93, 0.89)),
        "the size is 26.0 MB, the limit is 25.0 MB": variant(megabytes=26.0),
    }
    for sentence, measured in broken.items():
        choice = choose(measured)

        assert choice.faults["int8"] == sentence
        assert choice.chosen == "fp32"
        assert choice.reasons[-1] == "fp32 is served: no variant is shown to be within compress.budget."


def test_nothing_smaller_is_tried_after_a_variant_that_does_not_fit():
    choice = choose(variant(drop=(0.004, 0.011)), variant("half", megabytes=11.0))

    assert choice.chosen == "fp32"
    assert choice.faults["half"] == "it is not tried, since int8, the one before it, is not shown to fit"


def test_a_variant_that_is_too_large_does_not_end_the_search():
    assert choose(variant("large", megabytes=60.0, drop=(0.5, 0.6)), variant()).chosen == "int8"


def test_a_dominated_variant_is_not_on_the_pareto_front():
    worse, faster = variant("b", megabytes=30.0), variant("c", texts_per_second=900.0, macro_f1=0.70)

    assert pareto_front([variant("a"), worse, faster]) == {"a", "c"}
    assert pareto_front([variant("a"), variant("twin")]) == {"a", "twin"}


def test_the_menu_holds_every_variant_and_whether_it_fits():
    variants = [TEACHER, variant()]
    choice = choose_variant(variants, BUDGET, teacher="fp32")

    counts = {"choice": 60, "calibration": 40}
    menu = menu_document(
        variants, choice, teacher="fp32", threads=2, texts=counts, confidence=BUDGET.confidence
    )

    assert (menu["chosen"], menu["threads"]) == ("int8", 2)
    assert menu["teacher"] == {"macro_f1": 0.74, "parameters": 100, "megabytes": 90.0}
    assert [(entry["name"], entry["fits"], entry["pareto"]) for entry in menu["variants"]] == [
        ("fp32", False, False),
        ("int8", True, True),
    ]
    assert (menu["texts"], menu["confidence"]) == (counts, 0.95)
    assert menu["variants"][1]["worst_slice"] == WORST_SLICE
    assert (menu["variants"][1]["macro_f1_drop_bound"], menu["variants"][1]["agreement_bound"]) == (
        0.005,
        0.97,
    )
    assert menu["variants"][1]["texts_per_second"] == 500.0
    assert menu["variants"][0]["reason"] == "Not served: the size is 90.0 MB, the limit is 25.0 MB."


MEASUREMENTS = st.fixed_dictionaries(
    {
        "drop": st.tuples(st.just(0.0), st.floats(-0.02, 0.03)),
        "agreement": st.tuples(st.just(1.0), st.floats(0.8, 1.0)),
        "megabytes": st.floats(5, 50),
        "texts_per_second": st.floats(50, 2000),
    }
)


@given(st.lists(MEASUREMENTS, min_size=1, max_size=6), st.randoms())
def test_every_variant_down_to_the_served_one_is_within_the_budget(measurements, random):
    variants = [TEACHER, *(variant(f"v{number}", **values) for number, values in enumerate(measurements))]
    shuffled = random.sample(variants, len(variants))

    choice = choose_variant(shuffled, BUDGET, teacher="fp32")

    served = next(one for one in variants if one.name == choice.chosen)
    larger = [one for one in variants if served.megabytes < one.megabytes <= BUDGET.max_megabytes]
    assert all(choice.faults[one.name] is None for one in larger)
    assert choice.faults[served.name] is None or served is TEACHER
    assert choice.chosen == choose_variant(variants, BUDGET, teacher="fp32").chosen
    smaller = [one for one in variants if one.megabytes < min(served.megabytes, 25.0)]
    assert all(choice.faults[one.name] for one in smaller)
