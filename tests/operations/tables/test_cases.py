"""Every made-up file of tests/fixtures/cases is read as a person would, with what the inspection writes."""

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.base.config import FileSource, Workspace
from pipeline.base.errors import DataRejected
from pipeline.base.records import TextRecord, Unreadable
from pipeline.io.params_file import load_params
from pipeline.io.sources.readers import read_rows
from pipeline.io.sources.source_reader import open_sources
from pipeline.operations.tables.first_params import init_from_table
from pipeline.operations.tables.inspection import TableInspection, inspect_table
from pipeline.stages.collect import collect

CASES = Path(__file__).resolve().parents[2] / "fixtures" / "cases"


class Case(NamedTuple):
    rows: int
    labels: dict[str, int]
    columns: dict[str, str]
    kind: str = "csv"
    delimiter: str = ","
    quote: str | None = '"'
    header: bool = True
    encoding: str = "utf-8"
    packing: str = ""
    unreadable: int = 0


TONES = ("negative", "neutral", "positive")
PLAIN = {"text": "text", "label": "label", "id": "id"}


def tones(*counts: int) -> dict[str, int]:
    return dict(zip(TONES, counts, strict=True))


EXPECTED = {
    "01-unclosed-quote-last.csv": Case(120, tones(44, 33, 43), PLAIN, quote=None),
    "02-unclosed-quote-middle.csv": Case(120, tones(36, 36, 48), PLAIN, quote=None),
    "03-label-variants.csv": Case(240, tones(80, 83, 73), PLAIN),
    "04-labels-1-and-1.0.jsonl": Case(120, {"-1": 42, "0": 46, "1": 32}, PLAIN, "jsonl"),
    "05-labels-nfd.csv": Case(120, {"déçu": 40, "mitigé": 41, "enchanté": 39}, PLAIN),
    "06-latin1-no-header.csv": Case(
        150,
        {"0": 56, "2": 48, "4": 46},
        PLAIN | {"time": "time", "group": "group"},
        header=False,
        encoding="latin-1",
    ),
    "07-text-at-label.txt": Case(
        120,
        tones(41, 39, 40),
        {"text": "text", "label": "label"},
        delimiter="@",
        header=False,
        encoding="latin-1",
    ),
    "08-semicolon-no-header.csv": Case(
        120,
        {"cross": 37, "calm": 48, "glad": 35},
        {"text": "text", "label": "label"},
        delimiter=";",
        header=False,
    ),
    "09-tsv-quoted-bom.tsv": Case(120, tones(39, 39, 42), PLAIN, "tsv", "\t"),
    "10-tsv-unquoted.tsv": Case(120, tones(37, 45, 38), PLAIN, "tsv", "\t", None),
    "11-utf16-le.txt": Case(120, tones(35, 42, 43), PLAIN, delimiter="\t", encoding="utf-16"),
    "12-packed.csv.gz": Case(120, tones(39, 37, 44), PLAIN, packing="gz"),
    "13-packed.zip": Case(120, tones(33, 45, 42), PLAIN, packing="zip"),
    "14-nested-array.json": Case(
        100,
        {"1": 15, "2": 18, "3": 25, "4": 20, "5": 22},
        {"text": "review.text", "label": "rating.stars", "id": "id"},
        "json",
    ),
    "15-label-objects.jsonl": Case(120, tones(46, 25, 49), PLAIN | {"label": "label.name"}, "jsonl"),
    "16-multi-label.tsv": Case(
        120,
        {"0": 30, "1": 39, "2": 35, "3": 36, "4": 34, "5": 26},
        PLAIN,
        "tsv",
        "\t",
        header=False,
    ),
    "17-bytes-repr.csv": Case(120, tones(47, 34, 39), PLAIN),
    "18-literal-escapes.csv": Case(120, tones(41, 39, 40), PLAIN),
    "19-apostrophes.csv": Case(120, tones(36, 35, 49), PLAIN),
    "20-unnamed-columns.csv": Case(120, tones(38, 38, 44), {"text": "text", "label": "label"}),
    "21-decimal-comma.csv": Case(120, tones(47, 39, 34), {"text": "text", "rating": "rating", "id": "id"}),
    "22-one-hot.csv": Case(120, tones(36, 46, 38), {"text": "text", "id": "id"}),
    "23-split-no-test.csv": Case(150, tones(50, 46, 54), PLAIN | {"split": "split"}),
    "24-binary-text.parquet": Case(120, tones(35, 45, 40), PLAIN, "parquet", encoding=""),
    "26-invalid-utf8.parquet": Case(119, tones(41, 47, 31), PLAIN, "parquet", encoding="", unreadable=1),
    "27-times.csv": Case(100, tones(26, 36, 38), PLAIN | {"time": "time"}),
    "28-class-uncertain.csv": Case(120, tones(29, 49, 42), PLAIN),
    "30-chinese.csv": Case(200, {"negative": 106, "positive": 94}, PLAIN),
    "31-long-reviews.csv": Case(46, {"negative": 23, "positive": 23}, PLAIN),
    "32-five-stars.csv": Case(150, {"1": 25, "2": 28, "3": 52, "4": 19, "5": 26}, PLAIN | {"label": "stars"}),
    "33-aspects.csv": Case(
        144, tones(45, 63, 36), {"text": "sentence", "label": "polarity", "target": "aspect"}
    ),
    "34-texts.txt": Case(120, {"0": 45, "1": 38, "2": 37}, {"text": "text", "label": "label"}, "text"),
    "35-twelve-defects.csv": Case(220, tones(80, 67, 73), PLAIN | {"split": "split", "time": "time"}),
    "36-control.csv": Case(
        200, tones(64, 58, 78), PLAIN | {"time": "time", "topic": "topic", "group": "author"}
    ),
}
REFUSED = {
    "25-text-twice.parquet": r"'text' occurs 2 times \(columns 1 and 3\)",
    "29-lfs-pointer.csv": "Git LFS pointer.*git lfs pull",
    "34-labels.txt": "no column of texts",
}


def inspected(name: str) -> TableInspection:
    labels = CASES / "34-labels.txt" if name == "34-texts.txt" else None
    return inspect_table(CASES / name, labels_path=labels)


def source_of(name: str, tmp_path: Path) -> tuple[FileSource, Any]:
    """Make a workspace from a case, and return its source and its section `collect`."""
    init_from_table(tmp_path / "w", inspected(name))
    cfg = load_params(tmp_path / "w" / "params.yaml").collect
    source = cfg.sources[0]
    assert isinstance(source, FileSource)
    return source, cfg


def rows_of(name: str, tmp_path: Path) -> list[dict[str, str] | Unreadable]:
    source, _ = source_of(name, tmp_path)
    return list(read_rows(source, root=tmp_path / "w", downloads=tmp_path, max_bytes=10_000_000))


def texts_of(name: str, tmp_path: Path) -> list[str]:
    column = EXPECTED[name].columns["text"]
    return [row[column] for row in rows_of(name, tmp_path) if isinstance(row, dict)]


def test_no_case_is_forgotten() -> None:
    assert {path.name for path in CASES.iterdir()} == {*EXPECTED, *REFUSED}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_case_is_inspected_as_it_is(name: str) -> None:
    case, found = EXPECTED[name], inspected(name)
    shape, dialect = found.shape, found.shape.dialect

    assert (found.rows, found.unreadable) == (case.rows, case.unreadable)
    assert dict(found.labels.counts) == case.labels
    assert found.columns == case.columns
    assert (shape.kind, shape.packing, shape.encoding) == (case.kind, case.packing, case.encoding)
    if case.kind in ("csv", "tsv"):
        assert dialect is not None
        assert (dialect.delimiter, dialect.quote, dialect.has_header) == (
            case.delimiter,
            case.quote,
            case.header,
        )


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(DataRejected, match=REFUSED[name]):
        inspected(name)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_workspace_made_from_a_case_reads_each_row(name: str, tmp_path: Path) -> None:
    case = EXPECTED[name]
    source, cfg = source_of(name, tmp_path)
    rows = list(read_rows(source, root=tmp_path / "w", downloads=tmp_path, max_bytes=10_000_000))
    readable = [row for row in rows if isinstance(row, dict)]

    assert len(readable) == case.rows
    assert len(rows) - len(readable) == case.unreadable
    assert all(column in row for row in readable for column in source.columns.mapped)
    # Stars are labels in their order; a rating and one-hot columns give the three tones.
    assert set(cfg.labels) == set(case.labels)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_workspace_made_from_a_case_collects_each_text(name: str, tmp_path: Path) -> None:
    case = EXPECTED[name]
    _, cfg = source_of(name, tmp_path)
    reader = open_sources(
        Workspace.of(tmp_path / "w", {}), cfg.model_copy(update={"sources": cfg.sources[:1]})
    )

    receipt = collect(reader, tmp_path / "raw", mask=True)
    records = [one for one in reader.records(cfg.sources[0]) if isinstance(one, TextRecord)]

    assert receipt.counts[f"source/{cfg.sources[0].name}"] == case.rows
    assert len(records) == case.rows


def test_an_unclosed_quote_stays_in_its_text(tmp_path: Path) -> None:
    texts = texts_of("01-unclosed-quote-last.csv", tmp_path)

    assert texts[40].startswith('"')
    assert [place for place, text in enumerate(texts) if '"' in text] == [40]


def test_quoted_cells_keep_line_ends_tabs_and_quotes(tmp_path: Path) -> None:
    texts = texts_of("09-tsv-quoted-bom.tsv", tmp_path)

    assert texts[4].startswith('The sign says "closed" twice.')
    assert "\n" in texts[39]
    assert "\t" in texts[79]
    assert sum('"' in text for text in texts) == 24
    assert not any('""' in text for text in texts)


def test_unquoted_quotes_are_characters(tmp_path: Path) -> None:
    texts = texts_of("10-tsv-unquoted.tsv", tmp_path)

    assert sum(text.count('"') for text in texts) == 24
    assert sum(text.startswith('"') for text in texts) == 12
    assert sum(text.endswith('12" wide.') for text in texts) == 12


def test_no_utf16_text_ends_in_a_carriage_return(tmp_path: Path) -> None:
    assert not any(text.endswith("\r") for text in texts_of("11-utf16-le.txt", tmp_path))


def test_latin_1_is_decoded(tmp_path: Path) -> None:
    assert "After the soirée" in texts_of("06-latin1-no-header.csv", tmp_path)[6]


def test_one_apostrophe_is_taken_off_each_cell(tmp_path: Path) -> None:
    rows = rows_of("19-apostrophes.csv", tmp_path)
    texts = [row["text"] for row in rows if isinstance(row, dict)]

    assert [row["id"] for row in rows if isinstance(row, dict)] == [str(n) for n in range(1, 121)]
    assert [n for n, text in enumerate(texts, 1) if text.startswith("'")] == [30, 60, 90, 120]


def test_decomposed_labels_are_one_label() -> None:
    found = inspected("05-labels-nfd.csv")

    assert [label for label in found.labels.labels if not unicodedata.is_normalized("NFC", label)] == []
    assert all(len(spellings) == 2 for spellings in found.labels.spellings.values())


def test_the_spellings_of_a_label_are_counted() -> None:
    found = inspected("03-label-variants.csv")

    assert sum(map(len, found.labels.spellings.values())) == 22
    assert found.labels.left_out == {"": 4}
    assert found.labels.label_map["pos"] == "positive"


def test_bytes_that_are_no_text_cost_one_row() -> None:
    (one,) = inspected("26-invalid-utf8.parquet").first_unreadable

    assert (one.row, one.column) == (51, "text")
    assert "0xE9" in one.reason


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("06-latin1-no-header.csv", "latin-1"),
        ("14-nested-array.json", "columns.rating: rating.stars"),
        ("16-multi-label.tsv", "60 of 120 texts have several labels"),
        ("19-apostrophes.csv", "apostrophe"),
        ("20-unnamed-columns.csv", "without a name are passed over: 1, 4, 5"),
        ("23-split-no-test.csv", "train 120, valid 30 but no test"),
        ("24-binary-text.parquet", "Column text holds bytes"),
        ("28-class-uncertain.csv", "'uncertain' is read as 'neutral'"),
        ("32-five-stars.csv", "negative_to: 2, positive_from: 4"),
        ("33-aspects.csv", r"table of aspects (column aspect): 48 texts"),
    ],
)
def test_what_is_unusual_is_said(name: str, words: str) -> None:
    found = inspected(name)

    assert words in " ".join([*found.shape.notes, *found.doubts])


def test_a_sound_table_gives_no_warning() -> None:
    found = inspected("36-control.csv")

    assert (found.shape.notes, found.doubts, found.unreadable) == ((), (), 0)


def test_one_hot_columns_and_separators_are_written_down(tmp_path: Path) -> None:
    assert source_of("22-one-hot.csv", tmp_path / "a")[0].columns.labels == TONES
    assert source_of("16-multi-label.tsv", tmp_path / "b")[0].label_separator == ","
    assert source_of("21-decimal-comma.csv", tmp_path / "c")[0].decimal == ","


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("16-multi-label.tsv", "multi_label"),
        ("32-five-stars.csv", "ordinal"),
        ("33-aspects.csv", "aspect"),
        ("36-control.csv", "single_label"),
    ],
)
def test_the_task_is_written_where_the_table_shows_it(name: str, task: str, tmp_path: Path) -> None:
    init_from_table(tmp_path / "w", inspected(name))

    assert load_params(tmp_path / "w" / "params.yaml").task == task
    assert f"\ntask: {task} " in (tmp_path / "w" / "params.yaml").read_text("utf-8")


def test_a_conll_file_becomes_a_task_of_entities(tmp_path: Path) -> None:
    people = ("Ann Lee", "Bo Chen", "Ida Roth")
    sentences = [
        f"{first} B-PER\n{last} I-PER\nleft O\nLima B-LOC\n\n" for first, last in map(str.split, people)
    ]
    (tmp_path / "people.conll").write_text("".join(sentences * 20), "utf-8")

    init_from_table(tmp_path / "w", inspect_table(tmp_path / "people.conll"))
    params = load_params(tmp_path / "w" / "params.yaml")

    (source, *_) = params.collect.tables
    assert (params.task, params.collect.labels) == ("token_labels", ("LOC", "PER"))
    assert (source.columns.spans, source.columns.label) == ("tags", None)
    assert "conflicting" not in " ".join(inspect_table(tmp_path / "people.conll").doubts)


def test_limits_are_fitted_to_long_and_to_foreign_texts(tmp_path: Path) -> None:
    init_from_table(tmp_path / "long", inspected("31-long-reviews.csv"))
    init_from_table(tmp_path / "zh", inspected("30-chinese.csv"))
    long, chinese = (load_params(tmp_path / name / "params.yaml") for name in ("long", "zh"))

    assert long.validation.min_texts <= 46
    assert min(long.clean.max_words, long.validation.max_words) >= 547
    assert long.encoder.max_tokens == 512
    assert (chinese.validation.language, chinese.encoder.start) == ("zh", "scratch")


def test_a_rating_becomes_the_three_tones(tmp_path: Path) -> None:
    source, _ = source_of("21-decimal-comma.csv", tmp_path)
    values = [
        row["rating"] for row in rows_of("21-decimal-comma.csv", tmp_path / "again") if isinstance(row, dict)
    ]

    assert source.ratings is not None
    sides = Counter(TONES[source.ratings.label(float(value.replace(",", ".")))] for value in values)
    assert sides == tones(47, 39, 34)
