"""What changed since the data version before is counted to the row, and chance alone is not named."""

import dataclasses
import random
import shutil
from pathlib import Path

import pytest
from cleaning import SMALL_CHANGES
from text_records import text_record

from pipeline.base.documents.data_change import BeforeAfter
from pipeline.base.records import SPLITS, Receipt, TextRecord
from pipeline.core.validate.changes import find_changes, stopping
from pipeline.io import files, parquet
from pipeline.io.streams.clean_change import measure_change
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.io.versioning.version_before import exported_before

WORDS = ("warm", "cold", "kind", "slow", "bright", "empty", "loud", "fresh")


def records(numbers, seed: int = 7) -> list[TextRecord]:
    """Return texts of two sources, 40 % of them good, of 4 to 24 words."""
    found = []
    for number in numbers:
        draw = random.Random(f"{seed}-{number}")
        text = f"{number} " + " ".join(draw.choices(WORDS, k=draw.randint(4, 24)))
        label = "good" if draw.random() < 0.4 else "bad"
        source = "shop" if number % 3 else "mail"
        found.append(text_record(number, id=f"{source}:{number}", text=text, label=label, source=source))
    return found


def folder(path: Path, kept, copies=()) -> Path:
    """Write what `clean` leaves."""
    with files.staging_dir(path) as staging:
        parquet.write_texts(staging / "texts.parquet", kept)
        parquet.write_rejected(staging / "quarantine.parquet", [(one, "duplicate") for one in copies])
        files.write_receipt(staging, Receipt("clean"))
    return path


def findings(tmp_path: Path, old, new, copies=()) -> dict[str, str]:
    change = measure_change("v1", folder(tmp_path / "old", old), folder(tmp_path / "new", new, copies))
    return {one.kind: one.detail for one in find_changes(change, SMALL_CHANGES)}


def test_every_row_that_changed_is_counted_by_its_kind(tmp_path: Path) -> None:
    old = records(range(40))
    new = [dataclasses.replace(one, label="good" if one.label == "bad" else "bad") for one in old[:3]]
    new += [dataclasses.replace(one, text=f"{one.text} now") for one in old[3:5]]
    new += [dataclasses.replace(one, split="test") for one in old[5:6]]
    new += [dataclasses.replace(one, id=f"shop:new{n}") for n, one in enumerate(old[6:10])]
    new += [*old[10:35], *records(range(100, 107))]

    change = measure_change("v1", folder(tmp_path / "old", old), folder(tmp_path / "new", new))

    assert change.counts == {
        "added": 11,
        "dropped": 9,
        "renamed": 4,
        "relabelled": 3,
        "reworded": 2,
        "moved": 1,
    }
    assert change.rows == BeforeAfter(40, 42)
    assert change.both == 31
    assert change.examples["renamed"] == "shop:new0"
    assert sum(pair.new for pair in change.labels.values()) == 42


def test_an_unchanged_version_and_a_week_of_growth_are_silent(tmp_path: Path) -> None:
    assert findings(tmp_path, records(range(300)), records(range(300))) == {}
    assert findings(tmp_path, records(range(300)), records(range(420))) == {}


def test_planted_changes_are_named_with_their_figures(tmp_path: Path) -> None:
    old = records(range(900))
    good = [dataclasses.replace(one, label="good") for one in old]
    long = [dataclasses.replace(one, text=f"{one.text} {one.text}") for one in old]
    german = [dataclasses.replace(one, lang="de") if n % 4 else one for n, one in enumerate(old)]
    of_shop = [one for one in old if one.source == "shop"]

    named = findings(tmp_path, old, good)
    assert set(named) == {"relabelled since v1", "labels since v1: bad", "labels since v1: good"}
    assert "limit 10% (validate.change.max_relabelled)" in named["relabelled since v1"]
    assert set(findings(tmp_path, old, long)) == {"reworded since v1", "lengths since v1"}
    assert set(findings(tmp_path, old, german)) == {"languages since v1: de", "languages since v1: en"}
    assert set(findings(tmp_path, old, of_shop)) == {"dropped since v1", "vanished since v1: mail"}
    repeated = findings(tmp_path, old, old, copies=of_shop[:200])
    assert repeated == {
        "repeated since v1: shop": "source shop repeats 200 of 800 rows (25.0%, before 0.0%); limit 10% "
        "(validate.change.max_repeated)"
    }


def test_a_share_far_beyond_the_limit_is_no_finding_among_a_dozen_texts(tmp_path: Path) -> None:
    dozen = [text_record(n, label="good" if n < 4 else "bad") for n in range(12)]
    other = [text_record(n + 50, text=f"text {n}", label="good" if n < 6 else "bad") for n in range(12)]

    assert "labels since v1: good" not in findings(tmp_path, dozen, other)


def test_a_difference_below_the_limit_is_no_finding_among_many_texts(tmp_path: Path) -> None:
    old = [text_record(n, label="good" if n % 100 < 50 else "bad") for n in range(20_000)]
    new = [text_record(n, label="good" if n % 100 < 53 else "bad") for n in range(20_000)]

    assert findings(tmp_path, old, new) == {}


def test_data_drawn_twice_from_one_population_are_silent(tmp_path: Path) -> None:
    shares = []
    for seed in range(20):
        draw = random.Random(seed)
        pool = records(range(400), seed)
        old, new = draw.choices(pool, k=200), draw.choices(pool, k=200)
        sides = [
            [dataclasses.replace(one, id=f"{side}{n}") for n, one in enumerate(rows)]
            for side, rows in (("a", old), ("b", new))
        ]
        named = findings(tmp_path, *sides)
        shares += [kind for kind in named if kind.startswith(("labels", "languages", "lengths"))]
    # Each of the two tests errs in 1 % at most: none of forty expected, and one tolerated.
    assert len(shares) <= 1, shares


def test_what_stops_the_run_is_chosen_by_kind(tmp_path: Path) -> None:
    old = records(range(200))
    change = measure_change("v1", folder(tmp_path / "old", old), folder(tmp_path / "new", old[:100]))
    found = find_changes(change, SMALL_CHANGES)

    assert stopping(found, SMALL_CHANGES) == []
    (sentence,) = stopping(found, SMALL_CHANGES.model_copy(update={"stop": ("dropped",)}))
    assert sentence.startswith("dropped since v1: 100 rows are gone, for 200 before (50.0%)")


@pytest.fixture
def versioned(workspace: Path) -> Path:
    """Return a workspace with a data version of 60 texts."""
    kept = records(range(60))
    folder(workspace / "data" / "clean", kept)
    with files.staging_dir(workspace / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", kept if split == "train" else [])
        counts = dict.fromkeys(SPLITS, 0) | {"train": len(kept)}
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": "f"}))
    for stage in ("clean", "split"):
        DvcCache(workspace).commit(stage)
    data_versions.keep_data_version(workspace, "week 1")
    return workspace


def test_the_version_before_is_the_newest_one_with_other_texts(versioned: Path, tmp_path: Path) -> None:
    with exported_before(versioned, versioned / "data" / "clean") as before:
        assert before is None
    other = folder(tmp_path / "other", records(range(50)))
    with exported_before(versioned, other) as before:
        assert before is not None
        assert before[0] == "v1"
        assert measure_change(*before, other).counts["dropped"] == 10


def test_a_version_whose_clean_texts_are_gone_is_compared_by_its_splits(
    versioned: Path, tmp_path: Path
) -> None:
    (texts,) = (
        path
        for path in (versioned / ".dvc" / "cache").rglob("*")
        if path.is_file() and path.read_bytes() == (versioned / "data/clean/quarantine.parquet").read_bytes()
    )
    texts.unlink()
    other = folder(tmp_path / "other", records(range(50)))

    with exported_before(versioned, other) as before:
        assert before is not None
        change = measure_change(*before, other)
    assert (change.counts["dropped"], change.duplicates) == (10, {})


def test_without_git_or_a_version_there_is_nothing_to_compare(tmp_path: Path) -> None:
    clean = folder(tmp_path / "clean", records(range(9)))
    with exported_before(tmp_path, clean) as before:
        assert before is None
    shutil.rmtree(clean)
