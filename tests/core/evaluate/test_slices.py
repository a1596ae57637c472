"""The slices of a set of texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import EvaluateConfig
from pipeline.core.evaluate.slices import slice_members

NEGATIONS = ("not", "no", "never", "n't")


def cfg(
    least: int = 1, bands: tuple[int, ...] = (2, 4), negations: tuple[str, ...] = NEGATIONS
) -> EvaluateConfig:
    return EvaluateConfig.model_construct(min_slice_texts=least, length_bands=bands, negations=negations)


def of(texts: list[str], **changes: object) -> dict[str, list[int]]:
    return slice_members(texts, ["tweet"] * len(texts), ["en"] * len(texts), cfg(**changes))  # type: ignore[arg-type]


def test_texts_are_in_one_slice_of_each_dimension() -> None:
    texts = ["so good", "it was never good", "a film about a film", "I do not like it"]

    slices = slice_members(texts, ["tweet", "movie", "movie", "tweet"], ["en", "en", "nl", "en"], cfg())

    assert slices == {
        "source=movie": [1, 2],
        "source=tweet": [0, 3],
        "lang=en": [0, 1, 3],
        "lang=nl": [2],
        "length=1-2": [0],
        "length=3-4": [1],
        "length=5+": [2, 3],
        "negated=yes": [1, 3],
        "negated=no": [0, 2],
    }


def test_length_slices_are_named_by_their_bounds() -> None:
    slices = of(["a " * 8, "a " * 9, "a " * 16, "a " * 32, "a " * 33], bands=(8, 16, 32))
    lengths = {name: rows for name, rows in slices.items() if name.startswith("length")}
    assert lengths == {"length=1-8": [0], "length=9-16": [1, 2], "length=17-32": [3], "length=33+": [4]}


def test_a_slice_of_too_few_texts_is_left_out() -> None:
    slices = slice_members(["a", "b", "c"], ["tweet", "tweet", "movie"], ["en"] * 3, cfg(least=2))
    assert set(slices) == {"source=tweet", "lang=en", "length=1-2", "negated=no"}


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("I do NOT know", True),
        ("isn't it", True),
        ("isn’t it", True),  # the apostrophe of word processors
        ("it is n't so", True),  # as in texts that were cut into words
        ("no, thanks", True),
        ("nothing known of the knot", False),  # "not" and "no" inside other words
        ("nobody", False),  # not in this list
        ("これはいい映画ではない", False),  # no spaces, no words to compare
        ("", False),
    ],
)
def test_a_negation_is_a_word_or_an_ending_with_an_apostrophe(text: str, negated: bool) -> None:
    assert of([text]).keys() & {"negated=yes", "negated=no"} == {f"negated={'yes' if negated else 'no'}"}


@pytest.mark.parametrize(("negations", "slices"), [(("n't",), [0]), (("no.",), [1]), (("geen",), [2])])
def test_negations_may_be_endings_signs_or_of_any_language(
    negations: tuple[str, ...], slices: list[int]
) -> None:
    assert of(["don't", "no. 7", "geen idee"], negations=negations)["negated=yes"] == slices


def test_without_negations_or_bands_there_are_no_such_slices() -> None:
    assert of(["not so", "so"], negations=(), bands=()) == {
        "source=tweet": [0, 1],
        "lang=en": [0, 1],
        "length=1+": [0, 1],
    }


def test_no_texts_have_no_slices() -> None:
    assert of([]) == {}


TEXTS = st.lists(
    st.tuples(st.text(max_size=40), st.sampled_from("ab"), st.sampled_from(["en", "nl"])), max_size=20
)


@given(TEXTS)
def test_each_text_is_in_exactly_one_slice_of_each_dimension(rows: list[tuple[str, str, str]]) -> None:
    texts, sources, langs = ([row[place] for row in rows] for place in range(3))
    slices = slice_members(texts, sources, langs, cfg())

    for dimension in ("source", "lang", "length", "negated"):
        places = [
            place for name, slice_ in slices.items() if name.startswith(f"{dimension}=") for place in slice_
        ]
        assert sorted(places) == list(range(len(rows)))
