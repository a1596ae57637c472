"""A text's side depends on its group and the salt, and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_records import text_record

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import TRAIN_ONLY, TextRecord
from pipeline.core.split import assign_split
from pipeline.core.split import split_records as split

CFG = SplitConfig(valid=0.2, test=0.3, salt="s")
LABELS = ("bad", "good")


def record(
    number: int, *, group: str = "", split: str = "", source: str = "a", label: str = ""
) -> TextRecord:
    return text_record(
        number,
        label=label or LABELS[number % 2],
        source=source,
        group=group or f"{source}:{number}",
        split=split,
    )


def test_groups_are_split_in_the_configured_shares() -> None:
    sides = [assign_split(f"g{number}", CFG) for number in range(10_000)]

    assert sides.count("test") == pytest.approx(3000, abs=150)
    assert sides.count("valid") == pytest.approx(2000, abs=150)


# `printf 's\0a:1' | sha256sum` begins with ac19…, that is 0.672 of the way: past test (0.3) and valid (0.5).
@pytest.mark.parametrize(
    ("group", "side"),
    [("a:1", "train"), ("a:2", "test"), ("a:6", "test"), ("a:10", "valid"), ("a:12", "train")],
)
def test_a_group_has_the_same_split_on_every_machine(group: str, side: str) -> None:
    assert assign_split(group, CFG) == side


@given(st.sets(st.integers(100, 400), max_size=60))
def test_the_split_of_a_text_does_not_depend_on_the_others(others: set[int]) -> None:
    always = [record(number) for number in range(60)]

    alone = split(always, CFG, LABELS)
    among = split([record(number) for number in others] + always, CFG, LABELS)

    for side, records in alone.items():
        assert {record.id for record in records} <= {record.id for record in among[side]}


def test_sentences_of_one_article_stay_in_one_split() -> None:
    records = [record(number, group=f"a:{number // 10}") for number in range(300)]

    sides = split(records, CFG, LABELS)

    groups = {side: {record.group for record in part} for side, part in sides.items()}
    assert sum(map(len, groups.values())) == 30


def test_a_source_that_brings_its_split_keeps_it_whatever_the_spelling() -> None:
    names = {1: "TRAIN", 2: "training", 3: "Dev", 4: "validation", 5: " test ", 6: "train"}

    sides = split([record(number, split=name) for number, name in names.items()], CFG, LABELS)

    assert {side: [record.id for record in part] for side, part in sides.items()} == {
        "train": ["a:1", "a:2", "a:6"],
        "valid": ["a:3", "a:4"],
        "test": ["a:5"],
    }


def test_a_source_without_valid_gives_it_some_train_groups() -> None:
    own = [record(number, split="train" if number < 500 else "test") for number in range(600)]

    sides = split(own, CFG, LABELS)

    assert len(sides["test"]) == 100
    assert len(sides["valid"]) == pytest.approx(100, abs=30)
    assert all(int(record.id[2:]) < 500 for record in sides["valid"])


def test_an_unknown_split_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        DataRejected, match=r"source a: 'trian' is not a split \(known: train, .*columns.split"
    ):
        split([record(1, split="trian")], CFG, LABELS)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataRejected, match="The valid split is empty"):
        split(
            [record(1, split="train"), record(2, split="test")],
            CFG.model_copy(update={"valid": 1e-9}),
            LABELS,
        )


def test_a_label_without_training_texts_is_refused() -> None:
    records = [record(1, split="train"), record(2, split="valid"), record(3, split="test")]

    with pytest.raises(DataRejected, match="no text with the label bad"):
        split(records, CFG, LABELS)


@given(st.floats(0.01, 0.6), st.floats(0.01, 0.39), st.text(max_size=5))
def test_volunteered_labels_train_whatever_the_shares_and_the_salt(
    test: float, valid: float, salt: str
) -> None:
    own = [record(number, split=side) for number, side in enumerate(["train", "test", "valid"] * 4)]
    volunteered = [record(number, source="feedback", split=TRAIN_ONLY) for number in range(200)]

    sides = split([*own, *volunteered], SplitConfig(valid=valid, test=test, salt=salt), LABELS)

    assert {one.id for one in volunteered} <= {one.id for one in sides["train"]}
    assert all(one.source != "feedback" for side in ("valid", "test") for one in sides[side])
