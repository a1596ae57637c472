"""A row of any source becomes a record of the one shape, with an id of its own."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.base.config import FileSource
from pipeline.base.errors import DataRejected, TonewatchError
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io.sources.rows import RecordReader, RowTally, rows_to_records

LABELS = ("negative", "neutral", "positive")
COLUMNS = {
    "text": "text",
    "label": "label",
    "rating": None,
    "id": None,
    "group": None,
    "time": None,
    "split": None,
}
RATINGS = {"negative_to": -0.5, "positive_from": 0.5}


def source(
    *, ratings: Any = None, pattern: str | None = None, label_map: Any = None, **columns: Any
) -> FileSource:
    row = {
        "name": "mine",
        "kind": "csv",
        "path": "t.csv",
        "columns": COLUMNS | columns,
        "group_pattern": pattern,
    }
    return FileSource.model_validate(
        row | {"ratings": ratings, "label_map": label_map or {}, "lang": "en", "licence": "MIT"}
    )


def read_row(row: dict[str, str], asked: FileSource, number: int = 1) -> TextRecord:
    return RecordReader(asked, LABELS, RowTally()).read(row, number)


@pytest.mark.parametrize(
    ("rating", "label"),
    [
        ("-0.5", "negative"),
        ("-0.49", "neutral"),
        ("0.49", "neutral"),
        ("0.5", "positive"),
        ("", ""),
        ("n/a", ""),
        ("nan", ""),
    ],
)
def test_a_rating_becomes_a_label(rating: str, label: str) -> None:
    asked = source(label=None, rating="stars", ratings=RATINGS)

    assert read_row({"text": "a", "stars": rating}, asked, 1).label == label


@pytest.mark.parametrize(
    ("given", "raters"),
    [
        ("[3, -1, 0, 3]", "-1 0 3 3"),
        ("3 -1 0", "-1 0 3"),
        ("3;-1.50; 0.25", "-1.5 0.25 3"),
        ("(-0.0, 1e1)", "0 10"),
        ("2", "2"),
        ("[]", ""),
        ("", ""),
    ],
)
def test_the_numbers_of_raters_are_sorted(given: str, raters: str) -> None:
    asked = source(label=None, rating="stars", raters="all", ratings=RATINGS)

    assert read_row({"text": "a", "stars": "1", "all": given}, asked, 1).raters == raters


@pytest.mark.parametrize("given", ["[3, good]", "nan", "1 inf", "3/5"])
def test_raters_without_numbers_are_refused(given: str) -> None:
    asked = source(label=None, rating="stars", raters="all", ratings=RATINGS)

    with pytest.raises(DataRejected, match=r"source mine, row 7: column 'all' holds .*`columns.raters`"):
        read_row({"text": "a", "stars": "1", "all": given}, asked, 7)


def test_raters_without_a_rating_rule_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"columns\.raters needs ratings"):
        source(raters="all")


def test_a_row_becomes_a_record() -> None:
    asked = source(
        id="key", group="key", time="day", split="side", pattern="^[^_]+", label_map={"1": "positive"}
    )
    row = {"text": "a", "label": " 1 ", "key": "12_3", "day": "2026-11-22", "side": "dev"}

    assert read_row(row, asked, 1) == TextRecord(
        "mine:12_3", "a", "positive", "mine", "mine:12", "en", "2026-11-22", "MIT", "dev"
    )


def test_the_id_of_a_text_does_not_depend_on_earlier_rows() -> None:
    few = list(rows_to_records([{"text": "b", "label": "x"}], source(), LABELS))
    more = list(rows_to_records([{"text": "a", "label": "x"}, {"text": "b", "label": "x"}], source(), LABELS))

    assert few[0] == more[1]
    assert few[0].group == few[0].id


def test_a_repeated_row_gets_a_number() -> None:
    asked = source(id="key")

    found = list(rows_to_records([{"text": "a", "label": "x", "key": "7"}] * 3, asked, LABELS))

    assert [record.id for record in found] == ["mine:7", "mine:7#2", "mine:7#3"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"text": "b", "key": "7_1"}, r"rows 1 and 2 .*map this one as `group`"),
        ({"text": "b", "key": "8"}, "row 2: group_pattern .* matches nothing"),
    ],
)
def test_an_ambiguous_id_and_an_unmatched_group_are_refused(second: dict[str, str], message: str) -> None:
    asked = source(id="key", group="key", pattern="^([0-9]+)_")

    with pytest.raises(TonewatchError, match=message):
        list(
            rows_to_records(
                [{"text": "a", "label": "x", "key": "7_1"}, {"label": "x", **second}], asked, LABELS
            )
        )


def test_a_target_is_part_of_its_text_and_not_of_its_group() -> None:
    rows = [
        {"text": "cold soup,\nkind waiter", "target": one, "label": "positive"} for one in ("soup", "waiter")
    ]
    first, second = rows_to_records(rows, source(target="target"), LABELS)

    assert isinstance(first, TextRecord)
    assert isinstance(second, TextRecord)
    assert (first.text, second.text) == ("cold soup, kind waiter\nsoup", "cold soup, kind waiter\nwaiter")
    assert first.group == second.group
    assert first.id != second.id


def test_an_id_of_its_own_does_not_part_the_targets_of_a_text() -> None:
    rows = [
        {"key": str(n), "text": "cold soup", "target": one, "label": "positive"} for n, one in enumerate("ab")
    ]
    first, second = rows_to_records(rows, source(id="key", target="target"), LABELS)

    assert isinstance(first, TextRecord)
    assert isinstance(second, TextRecord)
    assert (first.id, second.id) == ("mine:0", "mine:1")
    assert first.group == second.group


def test_a_reference_is_the_answer_as_it_stands_and_a_row_without_one_is_not_read() -> None:
    mine = source(label=None, reference="summary")
    rows = [
        {"text": "a long film", "summary": " it was, in short, long "},
        {"text": "a book", "summary": "n/a"},
    ]

    read, unread = rows_to_records(rows, mine, ())

    assert isinstance(read, TextRecord)
    assert read.label == "it was, in short, long"
    assert isinstance(unread, Unreadable)
    assert (unread.row, unread.column, unread.reason) == (2, "summary", "no reference")


def test_a_text_may_have_several_references() -> None:
    rows = [{"text": "a film", "summary": one} for one in ("it was good", "it was fine")]

    records = list(rows_to_records(rows, source(label=None, reference="summary"), ()))

    assert all(isinstance(one, TextRecord) for one in records)
    first, second = records
    assert (second.id, second.group) == (f"{first.id}#2", first.group)
