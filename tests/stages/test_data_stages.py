"""From a user's own file to three sides: the four stages of the data, on disk."""

import json
from pathlib import Path

import pytest
from cleaning import ALL_MAY_BE_LOST, SMALL_CHANGES

from pipeline.base.config import CleanConfig, CollectConfig, SplitConfig, ValidateConfig, Workspace
from pipeline.base.errors import DataRejected, DigestMismatch
from pipeline.base.records import SPLITS, Receipt
from pipeline.io import parquet
from pipeline.io.sources.source_reader import open_sources
from pipeline.stages import clean as clean_stage
from pipeline.stages import collect as collect_stage
from pipeline.stages import split as split_stage
from pipeline.stages import validate as validate_stage

LABELS = ("bad", "good")
CLEAN = CleanConfig(min_words=2, max_words=30, mask=True, max_loss=ALL_MAY_BE_LOST)
VALIDATE = ValidateConfig(
    min_texts=20,
    min_label_share=0.1,
    max_words=30,
    max_mean_words=20,
    max_duplicate_share=0.2,
    max_quarantine_share=0.2,
    language="en",
    language_min_words=5,
    min_language_share=0.9,
    sample_texts=1000,
    max_residue_share=0.01,
    max_unknown_tokens=0.05,
    max_cut_words=0.1,
    max_shift=0.1,
    likely_wrong=200,
    change=SMALL_CHANGES,
)
SPLIT = SplitConfig(valid=0.2, test=0.2, salt="s", near_duplicates=1.0)
SENTENCES = (
    "the soup in room {} was cold and nobody said sorry",
    "the people of house {} were kind and the bread was warm",
)


def collected(root: Path, lines: list[str], *, header: str = "words,tone", **columns: str) -> Receipt:
    (root / "mine.csv").write_text("\n".join([header, *lines]) + "\n", "utf-8")
    mapped = {
        "text": "words",
        "label": "tone",
        "rating": None,
        "id": None,
        "group": None,
        "time": None,
        "split": None,
    } | columns
    own = {
        "kind": "csv",
        "name": "mine",
        "path": "mine.csv",
        "columns": mapped,
        "group_pattern": None,
        "ratings": None,
    }
    source = own | {"label_map": {"0": "bad", "1": "good"}, "lang": "en", "licence": "own"}
    cfg = CollectConfig.model_validate({"max_megabytes": 1, "labels": LABELS, "sources": [source]})
    return collect_stage.collect(open_sources(Workspace.of(root, {}), cfg), root / "raw", mask=True)


def lines_of(number: int) -> list[str]:
    return [f"{SENTENCES[one % 2].format(one)},{one % 2}" for one in range(number)]


def cleaned(root: Path) -> Receipt:
    return clean_stage.clean(root / "raw", root / "clean", CLEAN, LABELS)


def dealt(root: Path) -> Receipt:
    validate_stage.validate(root / "clean", root / "validation", VALIDATE, LABELS)
    return split_stage.split(root / "clean", root / "validation", root / "splits", SPLIT)


def test_a_csv_file_becomes_three_splits(tmp_path: Path) -> None:
    collected(tmp_path, lines_of(60))
    cleaned(tmp_path)

    receipt = dealt(tmp_path)

    sides = {side: parquet.read_texts(tmp_path / "splits" / f"{side}.parquet") for side in SPLITS}
    assert sum(map(len, sides.values())) == 60
    assert (
        receipt.counts["test"]
        == len(sides["test"])
        == receipt.counts["test/source/mine"]
        == receipt.counts["test/lang/en"]
    )
    assert receipt.notes["fingerprint"] == parquet.split_fingerprint(
        (side, record) for side in SPLITS for record in sides[side]
    )
    assert json.loads((tmp_path / "validation" / "checks.json").read_text())[0]["name"] == "columns"


def test_cleaning_counts_every_rule_and_every_reason(tmp_path: Path) -> None:
    extra = [
        "<b>the soup</b> &amp; bread,1",
        "the soup & bread,1",
        "the  view,0",
        "the view,1",
        "oh,1",
        "no label at all,",
        "so so,2",
        "   ,1",
    ]
    collected(tmp_path, extra)

    counts = cleaned(tmp_path).counts

    assert {name: counts[name] for name in ("in", "kept", "quarantined")} == {
        "in": 8,
        "kept": 1,
        "quarantined": 7,
    }
    assert {name: counts[f"rule/{name}"] for name in ("entities", "html", "spaces", "mojibake")} == {
        "entities": 1,
        "html": 1,
        "spaces": 2,
        "mojibake": 0,
    }
    assert {name: number for name, number in counts.items() if name.startswith("reason/")} == {
        "reason/conflicting labels": 2,
        "reason/duplicate": 1,
        "reason/no label": 1,
        "reason/no text": 1,
        "reason/too short": 1,
        "reason/unknown label": 1,
    }
    assert len(parquet.read_rows(tmp_path / "clean" / "quarantine.parquet")["reason"]) == 7


def test_a_text_removed_from_a_sources_own_split_is_counted(tmp_path: Path) -> None:
    collected(
        tmp_path,
        ["so very good,1,train", "so very good,1,test", "oh,1,test"],
        header="words,tone,side",
        split="side",
    )

    counts = cleaned(tmp_path).counts

    assert (counts["own split/train/duplicate"], counts["own split/test/too short"]) == (1, 1)


def test_the_numbers_of_raters_reach_every_split(tmp_path: Path) -> None:
    labels = ("bad", "so so", "good")
    rows = [
        f'{SENTENCES[one % 2].format(one)},{(-1, 0, 1)[one % 3]},"[{one % 3}, 0, -1]"' for one in range(60)
    ]
    (tmp_path / "mine.csv").write_text("\n".join(["words,mean,all", *rows]), "utf-8")
    mapped = {
        "text": "words",
        "label": None,
        "rating": "mean",
        "raters": "all",
        "id": None,
        "group": None,
        "time": None,
        "split": None,
    }
    own = {
        "kind": "csv",
        "name": "mine",
        "path": "mine.csv",
        "columns": mapped,
        "group_pattern": None,
        "lang": "en",
        "licence": "own",
    }
    source = own | {"ratings": {"negative_to": -0.5, "positive_from": 0.5}, "label_map": {}}
    cfg = CollectConfig.model_validate({"max_megabytes": 1, "labels": labels, "sources": [source]})
    collect_stage.collect(open_sources(Workspace.of(tmp_path, {}), cfg), tmp_path / "raw", mask=True)
    clean_stage.clean(tmp_path / "raw", tmp_path / "clean", CLEAN, labels)
    validate_stage.validate(tmp_path / "clean", tmp_path / "validation", VALIDATE, labels)
    split_stage.split(tmp_path / "clean", tmp_path / "validation", tmp_path / "splits", SPLIT)

    for side in SPLITS:
        found = {
            (record.label, record.raters)
            for record in parquet.read_texts(tmp_path / "splits" / f"{side}.parquet")
        }
        assert found == {("bad", "-1 0 0"), ("so so", "-1 0 1"), ("good", "-1 0 2")}


def test_failed_validation_reports_all_and_keeps_the_last_output(tmp_path: Path) -> None:
    collected(tmp_path, lines_of(60))
    cleaned(tmp_path)
    dealt(tmp_path)
    before = (tmp_path / "validation" / "receipt.json").read_bytes()
    collected(tmp_path, [f"the soup of house {number} was warm,1" for number in range(9)])
    cleaned(tmp_path)

    with pytest.raises(
        DataRejected,
        match=r"(?s)3 of 20 checks failed:.*labels: 1, .*texts: 9, .*label bad: 0, .*`validate` in params",
    ):
        dealt(tmp_path)
    assert (tmp_path / "validation" / "receipt.json").read_bytes() == before


def test_when_every_text_is_quarantined_the_reasons_are_reported(tmp_path: Path) -> None:
    collected(tmp_path, ["oh,1", "no,0"])
    cleaned(tmp_path)

    with pytest.raises(DataRejected, match=r"no text is left \(2 too short\)"):
        dealt(tmp_path)


def test_a_group_in_two_splits_of_its_source_is_refused(tmp_path: Path) -> None:
    lines = [
        f"{line},{('train', 'valid', 'test')[number % 3]},{number // 2}"
        for number, line in enumerate(lines_of(60))
    ]
    collected(tmp_path, lines, header="words,tone,side,article", split="side", group="article")
    cleaned(tmp_path)

    with pytest.raises(DataRejected, match=r"(?s)groups in both train and test.*columns.split: null"):
        dealt(tmp_path)
    assert not (tmp_path / "splits").exists()


def test_equal_input_leaves_equal_bytes(tmp_path: Path) -> None:
    receipts = []
    for _ in range(2):
        collected(tmp_path, lines_of(60))
        cleaned(tmp_path)
        receipts.append((tmp_path / "clean" / "receipt.json").read_bytes())

    assert receipts[0] == receipts[1]


def test_a_tampered_input_is_not_used(tmp_path: Path) -> None:
    collected(tmp_path, lines_of(4))
    with (tmp_path / "raw" / "texts.parquet").open("ab") as file:
        file.write(b"!")

    with pytest.raises(DigestMismatch, match="tonewatch stage collect"):
        cleaned(tmp_path)
