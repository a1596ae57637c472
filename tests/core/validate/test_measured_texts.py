"""A sample is drawn by the hashes of the ids, and the measures of batches are those of the whole."""

import numpy as np
from measured import measured
from text_records import text_record

from pipeline.core.validate.measured_texts import (
    FIELDS,
    MEASURED,
    GatheredMeasures,
    drawn_rows,
    hash_ids,
    measure_rows,
)
from pipeline.core.validate.row_measures import draw_by_key

RECORDS = [
    text_record(0, label="", time="2026-09-13T08:00:00Z", split="Test"),
    text_record(1, label="bad", lang="", text="<b>one</b> two"),
    text_record(2, label="good", time="soon", split="elsewhere"),
    text_record(3, label="bad", split="train"),
]


def columns(records):
    return {name: [getattr(one, name) for one in records] for name in MEASURED}


def test_the_measures_of_batches_are_those_of_the_whole() -> None:
    whole, parts = GatheredMeasures(), GatheredMeasures()
    whole.add(measure_rows(columns(RECORDS)))
    for start in (0, 1, 3):
        parts.add(measure_rows(columns(RECORDS[start : {0: 1, 1: 3, 3: 4}[start]])))

    one, other = whole.measures(), parts.measures()

    assert [one.labels[n] if n >= 0 else "" for n in one.label_numbers_N] == ["", "bad", "good", "bad"]
    assert one.labels == other.labels
    for name in FIELDS:
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "seconds_N")
    assert one.is_empty("lang").tolist() == [False, True, False, False]
    assert one.sides_N.tolist() == [2, -1, -1, 0]
    assert one.residue_N.tolist() == [False, True, False, False]


def test_the_sample_is_that_of_the_smallest_hashes() -> None:
    ids = [f"s:{number}" for number in range(500)]

    assert drawn_rows(hash_ids(ids), 40) == list(draw_by_key(((one, one) for one in ids), 40))
    assert drawn_rows(hash_ids(ids), 0) == []
    assert drawn_rows(hash_ids(ids[:3]), 40) == [0, 1, 2]


def test_ids_and_languages_are_those_of_the_rows() -> None:
    texts = measured(RECORDS, sample_texts=2)

    assert len(texts) == 4
    assert [texts.id_of(row) for row in range(4)] == [one.id for one in RECORDS]
    assert texts.languages.keys() == texts.sample.keys()
    assert len(texts.sample) == 2
