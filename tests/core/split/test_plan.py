"""A text's side depends on its group and the salt, and on nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splitting import Split, split_records
from text_records import text_record

from pipeline.base.config import SplitConfig
from pipeline.base.errors import DataRejected
from pipeline.base.records import TRAIN_ONLY, SplitName, TextRecord
from pipeline.base.tasks import TaskName
from pipeline.core.split.groups import assign_split, halve_by_group

CFG = SplitConfig(valid=0.2, test=0.3, salt="s", near_duplicates=0.8)
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


def split(
    records: Sequence[TextRecord], cfg: SplitConfig, labels: Collection[str]
) -> Mapping[SplitName, list[TextRecord]]:
    return split_records(records, cfg, labels).texts


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


@settings(max_examples=30, deadline=None)
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
        DataRejected, match=r"source a: 'trian' \(1 texts\) is not a split \(known: train, .*columns.split"
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


RARE = [
    record(1, split="train"),
    record(2, split="train"),
    record(3, split="valid"),
    record(5, split="test"),
]


@pytest.mark.parametrize("task", ["single_label", "ordinal", "aspect"])
def test_of_one_label_a_text_a_rare_one_may_be_missing_from_the_test_split(task: TaskName) -> None:
    assert [one.label for one in split_records(RARE, CFG, LABELS, task=task).texts["test"]] == ["good"]


def test_of_several_labels_each_is_in_every_split() -> None:
    with pytest.raises(DataRejected, match="valid split has no text with the label bad"):
        split_records(RARE, CFG, LABELS, task="multi_label")


@given(st.floats(0.01, 0.6), st.floats(0.01, 0.39), st.text(max_size=5))
def test_volunteered_labels_train_whatever_the_shares_and_the_salt(
    test: float, valid: float, salt: str
) -> None:
    own = [record(number, split=side) for number, side in enumerate(["train", "test", "valid"] * 4)]
    volunteered = [record(number, source="feedback", split=TRAIN_ONLY) for number in range(200)]

    cfg = SplitConfig(valid=valid, test=test, salt=salt, near_duplicates=0.8)
    divided = split_records([*own, *volunteered], cfg, LABELS)

    # Of a near duplicate in another split it is the volunteered one that is left out.
    copies = {one.id for one, _ in divided.left_out}
    assert {one.id for one in volunteered} - copies <= {one.id for one in divided.texts["train"]}
    assert all(one.source != "feedback" for side in ("valid", "test") for one in divided.texts[side])
    assert len(copies) < 100


# Groups of CFG by their split: a:2 and a:6 test, a:10 valid, a:1 and a:12 train.
GOOD = "We waited an hour for a table, and then the soup was cold."
COPY = "RT @guest: we waited an HOUR for a table and then the soup was cold!!"
EDITED = "We waited an hour for a table, and then the soup was so cold."


def sides(divided: Split) -> dict[str, str]:
    return {record.id: side for side, records in divided.texts.items() for record in records}


def others() -> list[TextRecord]:
    return [record(number) for number in range(100, 160)]


@pytest.mark.parametrize("text", [COPY, EDITED])
def test_groups_with_a_near_duplicate_in_common_are_one(text: str) -> None:
    tested, trained = record(2, group="a:2"), replace(record(1, group="a:1"), text=text)
    mate = record(3, group="a:2")
    alone = sides(split_records([replace(tested, text=GOOD), mate, *others()], CFG, LABELS))

    divided = split_records([replace(tested, text=GOOD), mate, trained, *others()], CFG, LABELS)

    assert (alone["a:2"], alone["a:3"]) == ("test", "test")
    assert [sides(divided)[name] for name in ("a:1", "a:2", "a:3")] == ["train"] * 3
    assert divided.plan.merged_groups == 2
    assert {r.group for r in divided.texts["train"] if r.id in ("a:1", "a:2", "a:3")} == {"a:1"}


def test_a_merged_group_that_comes_back_alone_keeps_its_split() -> None:
    first = split_records(
        [replace(record(2), text=GOOD), replace(record(1), text=COPY), *others()], CFG, LABELS
    )
    replayed = next(r for r in first.texts["train"] if r.id == "a:2")

    assert sides(split_records([replayed, *others()], CFG, LABELS))["a:2"] == "train"


WORDS = ("warm", "soup", "cold", "table", "hour", "waiter", "menu", "price", "street", "noise")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=3, max_size=8), min_size=20, max_size=60))
def test_no_near_duplicate_is_in_two_splits_and_none_is_lost(texts: list[list[str]]) -> None:
    records = [
        replace(record(number, group=f"b:{number // 2}"), text=" ".join(words))
        for number, words in enumerate(texts)
    ]
    always = [replace(record(number), id=f"c:{number}") for number in range(100, 160)]

    divided = split_records([*always, *records], CFG, LABELS)

    by_id = sides(divided)
    assert len(by_id) == len(always) + len(records)
    shingles = {r.id: {r.text[i : i + 5] for i in range(max(1, len(r.text) - 4))} for r in records}
    for one in records:
        for other in records:
            mine, theirs = shingles[one.id], shingles[other.id]
            if len(mine & theirs) >= 0.8 * len(mine | theirs):
                assert by_id[one.id] == by_id[other.id]


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(0, 200), max_size=60))
def test_more_texts_never_move_one_into_test(more: set[int]) -> None:
    def of(number: int) -> TextRecord:
        words = " ".join(WORDS[digit] for digit in (number % 3, number % 5, number % 7))
        return replace(record(number, group=f"b:{number}"), text=f"{words} {number % 4}", id=f"b:{number}")

    base = [*others(), *map(of, range(1000, 1040))]
    before = sides(split_records(base, CFG, LABELS))

    after = sides(split_records([*base, *map(of, more)], CFG, LABELS))

    assert [name for name, side in before.items() if side != "test" and after[name] == "test"] == []


def test_what_the_champion_learnt_from_is_never_tested_under_another_salt() -> None:
    records = [replace(record(number), text=f"{number} " * 4) for number in range(400)]
    champion = split_records(records, CFG, LABELS)
    learnt = [r.text for side in ("train", "valid") for r in champion.texts[side]]

    for changed in (
        CFG.model_copy(update={"salt": "t"}),
        CFG.model_copy(update={"test": 0.6}),
        CFG.model_copy(update={"valid": 0.05}),
    ):
        divided = split_records(records, changed, LABELS, learnt)

        assert not {r.text for r in divided.texts["test"]} & set(learnt)
        assert sum(map(len, divided.texts.values())) == 400
        plain = split_records(records, changed, LABELS)
        assert divided.plan.kept_in_train == len(plain.texts["test"]) - len(divided.texts["test"])
    again = split_records(records, CFG, LABELS, learnt)
    assert again.plan.kept_in_train == 0
    assert sides(again) == sides(champion)


def test_a_near_duplicate_of_what_the_champion_learnt_is_not_tested_either() -> None:
    records = [replace(record(2), text=GOOD), *others()]

    assert sides(split_records(records, CFG, LABELS, [EDITED]))["a:2"] == "train"


def test_of_copies_across_a_sources_own_splits_that_closer_to_train_is_left_out() -> None:
    records = [
        replace(record(900, split="test"), text=GOOD),
        replace(record(901, split="train"), text=COPY),
        replace(record(1), text=EDITED),
        *(record(number, split="train", source="b") for number in range(200, 210)),
        *others(),
    ]

    divided = split_records(records, CFG, LABELS)

    assert sides(divided)["a:900"] == "test"
    assert [(r.id, reason) for r, reason in divided.left_out] == [
        ("a:901", "near duplicate of a text in test"),
        ("a:1", "near duplicate of a text in test"),
    ]


def test_a_benchmarks_test_text_that_the_champion_learnt_from_is_left_out() -> None:
    records = [replace(record(900, split="test"), text=GOOD), *others()]

    divided = split_records(records, CFG, LABELS, [GOOD])

    assert [(r.id, reason) for r, reason in divided.left_out] == [("a:900", "the champion learnt from it")]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80))
def test_halves_hold_whole_groups_and_every_text_once(groups: list[int]) -> None:
    names = [f"g{group}" for group in groups]

    first, second = halve_by_group(names)

    if len(set(names)) == 1:
        assert first == second == list(range(len(names)))
    else:
        assert sorted([*first, *second]) == list(range(len(names)))
        assert not {names[row] for row in first} & {names[row] for row in second}
        assert first
        assert second
        largest = max(names.count(name) for name in names)
        assert abs(len(first) - len(second)) <= 2 * largest


def test_a_text_with_all_its_targets_is_in_one_split() -> None:
    targets = ("soup", "waiter", "the room on the upper floor with a view of the sea")
    records = [
        text_record(number, text=f"visit {number % 100} was {number % 100}\n{targets[number // 100]}")
        for number in range(300)
    ]

    sides = {one.text: side for side, texts in split(records, CFG, ["good"]).items() for one in texts}

    assert len(sides) == 300
    by_text = [{sides[f"visit {n} was {n}\n{target}"] for target in targets} for n in range(100)]
    assert all(len(found) == 1 for found in by_text)
    assert len(set().union(*by_text)) == 3
