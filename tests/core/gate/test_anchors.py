"""Which earlier releases a candidate is held against beside the champion."""

from typing import Any, cast

from pipeline.base.documents import ReleaseRecord
from pipeline.core.gate.anchors import choose_anchors


def release(name: str, *, negative: float, **slices: float) -> ReleaseRecord:
    evaluation: dict[str, Any] = {
        "slices": {f"source={source}": {"macro_f1": score} for source, score in slices.items()},
        "per_class": {"negative": {"f1": negative}},
    }
    return cast(ReleaseRecord, {"release": name, "evaluation": evaluation})


CHAMPION = release("R4", negative=0.8, nyt=0.6, tweet=0.7, movie=0.7)
SERVED = [
    release("R3", negative=0.7, nyt=0.65, tweet=0.6, movie=0.6),
    release("R2", negative=0.7, nyt=0.7, tweet=0.75, movie=0.6),
    release("R1", negative=0.85, nyt=0.5, gone=0.9),
]


def names(limit: int) -> list[str]:
    return [anchor["release"] for anchor in choose_anchors(CHAMPION, SERVED, limit=limit)]


def test_the_releases_that_are_best_on_a_slice_are_anchors() -> None:
    # R2 is best on nyt and tweet, R1 on the label negative; R3 is beaten by R2; `gone` is no slice today.
    assert names(3) == ["R2", "R1"]


def test_the_number_of_anchors_is_limited() -> None:
    assert names(1) == ["R2"]
    assert names(0) == []


def test_a_champion_that_is_best_everywhere_needs_no_anchor() -> None:
    assert choose_anchors(CHAMPION, [release("R1", negative=0.1, nyt=0.1)], limit=3) == []
    assert choose_anchors(CHAMPION, [], limit=3) == []


def test_a_record_of_an_early_version_without_slices_is_read() -> None:
    early = cast(ReleaseRecord, {"release": "R0", "evaluation": {"per_class": {"negative": {"f1": 0.9}}}})
    assert choose_anchors(CHAMPION, [early], limit=3) == [early]
