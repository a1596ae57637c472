"""What is odd about texts is named by kind, with its count and an example's id."""

from measured import measured
from text_records import text_record

from pipeline.base.config import ValidateConfig
from pipeline.base.records import TextRecord
from pipeline.core.validate.findings import Finding, find_oddities, ks_distance, ks_noise
from pipeline.io.params_file import load_params

SENTENCE = "nobody in this small town ever answered the phone for a whole week"


def limits(root) -> ValidateConfig:
    return load_params(root / "params.yaml").validation


def record(number: int, **other: str) -> TextRecord:
    day = f"2026-09-{number % 28 + 1:02}T08:00:00Z"
    return text_record(number, **({"text": f"{SENTENCE} {number}", "time": day} | other))


def found(root, records, rejected=()) -> dict[str, Finding]:
    return {one.kind: one for one in find_oddities(measured(records), rejected, limits(root))}


def test_sound_texts_have_no_finding(root) -> None:
    assert found(root, [record(number) for number in range(100)]) == {}


def test_foreign_texts_are_named(root) -> None:
    german = record(7, text="das Zimmer war sehr schmutzig und die Leute waren leider unfreundlich")

    assert found(root, [*(record(n) for n in range(7)), german])["foreign language"] == Finding(
        "foreign language", 1, german.id
    )


def test_times_far_from_the_bulk_are_stale(root) -> None:
    old = record(50, time="2009-03-01T08:00:00Z")
    broken = record(51, time="soon")

    assert found(root, [*(record(n) for n in range(50)), old, broken]) == {
        "stale time": Finding("stale time", 1, old.id)
    }


def test_years_of_texts_are_not_stale(root) -> None:
    years = [record(n, time=f"{2000 + n % 25}-05-01T08:00:00Z") for n in range(100)]

    assert found(root, years) == {}


def test_a_split_with_longer_texts_is_named_by_them(root) -> None:
    sides = [record(n, split="train") for n in range(120)]
    sides += [record(n, split="test") for n in range(120, 160)]
    long = [record(n, split="test", text=f"{SENTENCE} " * 9) for n in range(160, 180)]

    assert found(root, [*sides, *long])["length shift in test"] == Finding(
        "length shift in test", 20, long[0].id
    )
    assert "length shift in test" not in found(root, sides)


def test_quarantined_texts_are_named_by_reason_and_copies_across_splits_apart(root) -> None:
    kept = [record(0, split="test")]
    rejected = [
        (record(1, split="train", text=kept[0].text), "duplicate"),
        (record(2, text=""), "no text"),
        (record(3, text=""), "no text"),
    ]

    assert found(root, kept, rejected) == {
        "duplicate": Finding("duplicate", 1, "s:1"),
        "no text": Finding("no text", 2, "s:2"),
        "duplicate across splits": Finding("duplicate across splits", 1, "s:1"),
    }


def test_the_distance_of_two_samples_is_that_of_their_shares() -> None:
    assert ks_distance([1, 2, 3, 4], [1, 2, 3, 4]) == 0
    assert ks_distance([1, 1], [2, 2]) == 1
    assert ks_distance([1, 2, 3, 4], [3, 4, 5, 6]) == 0.5
    assert round(ks_noise(100, 100), 3) == 0.23
