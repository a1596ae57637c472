"""The fingerprint of batches is that of all rows, as data versions have it."""

from dataclasses import replace

from text_records import text_record

from pipeline.io import parquet
from pipeline.io.streams.fingerprint import COLUMNS, add_rows, fingerprint


def test_parts_add_up_to_the_fingerprint_of_all_rows() -> None:
    odd = replace(
        text_record(1),
        text='"\\ \x07 caf\u00e9 \U0001f389 \u2028',
        raters="1 2",
        topic="rooms",
        more_labels="[]",
    )
    records = [text_record(0), odd, replace(odd, topic=""), replace(odd, raters="", more_labels="")]
    columns = {name: [getattr(one, name) for one in records] for name in COLUMNS}
    parts = [{name: values[:1] for name, values in columns.items()}, {n: v[1:] for n, v in columns.items()}]

    sums = [add_rows("train", part) for part in parts]

    assert fingerprint(sums, 4) == parquet.split_fingerprint(("train", one) for one in records)
    assert set(COLUMNS) == set(parquet.COLUMNS)


def test_no_rows_have_a_fingerprint() -> None:
    assert add_rows("test", {name: [] for name in COLUMNS}) == 0
    assert fingerprint([], 0) == parquet.split_fingerprint([])
