"""Corrected labels are kept by id, applied by `clean`, counted, and named where they are unknown."""

from pathlib import Path

import pytest
from cleaning import ALL_MAY_BE_LOST
from text_records import text_record

from pipeline.base.config import CleanConfig, Workspace
from pipeline.base.data_account import DataAccount
from pipeline.base.errors import DataRejected, UsageError
from pipeline.base.records import Receipt
from pipeline.core.privacy.preparation import PREPARATION
from pipeline.io import files, parquet
from pipeline.io.corrections import corrections_identity, corrections_path, read_corrections
from pipeline.io.params_file import load_params
from pipeline.io.streams.unreadable import write_unreadable
from pipeline.operations.relabel import relabel
from pipeline.stages import clean as clean_stage

CLEAN = CleanConfig(min_words=1, max_words=30, mask=True, max_loss=ALL_MAY_BE_LOST)


@pytest.fixture
def places(tmp_path: Path, root: Path) -> Workspace:
    """Return a folder with params.yaml and six collected texts, one of them with an id like a formula."""
    (tmp_path / "params.yaml").write_bytes((root / "params.yaml").read_bytes())
    labels = load_params(tmp_path / "params.yaml").collect.labels
    records = [text_record(number, label=labels[0]) for number in range(5)]
    records.append(text_record(9, id="=s:9", label=labels[0]))
    with files.staging_dir(tmp_path / "data" / "raw") as staging:
        parquet.write_texts(staging / "texts.parquet", records)
        write_unreadable(staging / "unreadable.parquet", [])
        counts = {"read": 6, "out": 6, "unreadable": 0}
        files.write_receipt(staging, Receipt("collect", counts=counts, notes={PREPARATION: "2-masked"}))
    return Workspace.of(tmp_path, {})


def labels_of(places: Workspace) -> tuple[str, ...]:
    return load_params(places.params).collect.labels


def write(places: Workspace, *lines: str) -> Path:
    path = places.root / "mine.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_corrected_labels_are_kept_and_unknown_ones_are_named(places: Workspace) -> None:
    last = labels_of(places)[-1]
    lines = (f"s:1,x,{last.upper()}", f"'=s:9,x,{last}", "s:2,x,", f"s:77,x,{last}", "s:3,x,odd", "s:4,x,odd")

    report = relabel(places, write(places, "id,label,corrected", *lines))

    assert (report.taken, report.kept, report.blank) == (2, 2, 1)
    assert (report.unknown_ids, report.unknown_labels) == (("s:77",), {"odd": 2})
    assert read_corrections(corrections_path(places.root)) == {"s:1": last, "=s:9": last}
    sentences = " ".join(report.sentences())
    assert "s:77" in sentences
    assert "'odd' 2" in sentences


def test_clean_applies_corrections_and_the_account_counts_them(places: Workspace) -> None:
    data, last = places.root / "data", labels_of(places)[-1]
    before = corrections_identity(places.root)
    relabel(places, write(places, "id;label", f"s:1;{last}"))
    corrections = read_corrections(corrections_path(places.root)) | {"gone:1": last}

    receipt = clean_stage.clean(
        data / "raw", data / "clean", CLEAN, labels_of(places), corrections=corrections
    )

    kept = {one.id: one.label for one in parquet.read_texts(data / "clean" / "texts.parquet")}
    assert kept["s:1"] == last
    assert kept["s:2"] == labels_of(places)[0]
    account = DataAccount.of_notes(receipt.notes)
    assert account
    assert account.corrected == 1
    assert "Labels corrected: 1." in account.lines()
    assert receipt.counts["unknown corrections"] == 1
    assert read_corrections(data / "clean" / "corrections.csv") == corrections
    assert before == "" != corrections_identity(places.root)


def test_a_later_correction_of_one_id_stands(places: Workspace) -> None:
    first, last = labels_of(places)[0], labels_of(places)[-1]
    relabel(places, write(places, "id,label", f"s:1,{last}", f"s:2,{last}"))

    assert relabel(places, write(places, "id,label", f"s:1,{first}")).kept == 2
    assert read_corrections(corrections_path(places.root)) == {"s:1": first, "s:2": last}


def test_a_table_without_its_columns_is_refused_with_its_place(places: Workspace) -> None:
    with pytest.raises(UsageError, match=r"mine\.csv:1: the columns are name, tone"):
        relabel(places, write(places, "name,tone", "s:1,good"))
    with pytest.raises(UsageError, match="row 3 has 1 columns"):
        relabel(places, write(places, "id,label", f"s:1,{labels_of(places)[0]}", "s:2"))
    assert not corrections_path(places.root).exists()


def test_damaged_corrections_are_refused_with_the_line(places: Workspace) -> None:
    corrections_path(places.root).write_text("id,label\ns:1\n", "utf-8")

    with pytest.raises(DataRejected, match=r"corrections.csv:2: 1 columns"):
        read_corrections(corrections_path(places.root))
