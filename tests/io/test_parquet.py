"""Texts survive a round trip through Parquet; their fingerprint covers every byte and no order."""

import dataclasses
import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.records import SplitName, TextRecord
from pipeline.io.parquet import (
    COLUMNS,
    read_rows,
    read_texts,
    split_fingerprint,
    write_rows,
    write_texts,
)

SAMPLE = TextRecord("s:1", "It’s 👩‍🚀 \x00", "good", "s", "s:1", "en", "", "MIT", "dev", "-1 0 2")
RECORDS = st.builds(TextRecord, *[st.text(max_size=4)] * len(COLUMNS))
ROWS = st.lists(st.tuples(st.sampled_from(["train", "test"]), RECORDS), max_size=8)


def test_texts_survive_a_round_trip(tmp_path: Path) -> None:
    other = dataclasses.replace(SAMPLE, id="s:2", text="")

    assert write_texts(tmp_path / "t.parquet", [SAMPLE, other]) == 2
    assert read_texts(tmp_path / "t.parquet") == [SAMPLE, other]


def test_a_table_may_have_no_texts(tmp_path: Path) -> None:
    write_texts(tmp_path / "t.parquet", [])

    assert read_texts(tmp_path / "t.parquet") == []


def test_equal_texts_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_texts(tmp_path / name, [SAMPLE])

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_newer_column_is_read_as_its_default(tmp_path: Path) -> None:
    old = {name: [getattr(SAMPLE, name)] for name in COLUMNS if name != "raters"}
    write_rows(tmp_path / "t", old)

    assert read_texts(tmp_path / "t") == [dataclasses.replace(SAMPLE, raters="")]


def test_texts_without_raters_keep_their_earlier_fingerprint() -> None:
    plain = TextRecord("s:1", "so good", "good", "s", "s:1", "en", "", "MIT")

    # As written in the first data versions, before texts had a column for their raters.
    assert (
        split_fingerprint([("train", plain)])
        == "e622b09b2795b364109a343125512de59f78cf0e170dfc4bb4ac9d0302ec3f58"
    )


def test_named_columns_survive_a_round_trip(tmp_path: Path) -> None:
    write_rows(tmp_path / "t", {"reason": ["a", "b"], "number": [1, 2]})

    assert read_rows(tmp_path / "t") == {"reason": ["a", "b"], "number": [1, 2]}


@given(ROWS, st.randoms(use_true_random=False))
def test_the_fingerprint_ignores_the_order(
    rows: list[tuple[SplitName, TextRecord]], chance: random.Random
) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)

    assert split_fingerprint(shuffled) == split_fingerprint(rows)


@given(ROWS)
def test_the_fingerprint_counts_repeated_rows(rows: list[tuple[SplitName, TextRecord]]) -> None:
    twice: list[tuple[SplitName, TextRecord]] = [*rows, ("train", SAMPLE), ("train", SAMPLE)]

    assert split_fingerprint(twice) != split_fingerprint(rows)


def test_the_fingerprint_covers_every_field_and_the_split() -> None:
    changed = [dataclasses.replace(SAMPLE, **{name: "other"}) for name in COLUMNS]
    moved = dataclasses.replace(SAMPLE, id="s:1It", text="’s 👩‍🚀 \x00")

    prints = {split_fingerprint([("train", record)]) for record in (SAMPLE, moved, *changed)} | {
        split_fingerprint([("test", SAMPLE)]),
        split_fingerprint([]),
    }

    assert len(prints) == len(COLUMNS) + 4
