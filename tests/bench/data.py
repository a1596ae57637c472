"""The data stages at scale: seconds, texts a second and peak memory of collect, clean, validate and split.

    .venv/bin/python tests/bench/data.py [TEXTS] [--stages-only | --diff-only] [--keep FOLDER]

Each stage runs in a process of its own, on texts made from a fixed seed: about 3 % copies, 3 % near copies,
10 % with personal data, labels, topics and times. Then the parts, in one process, and the comparison of two
data versions of a million texts, of which 1 % are added, dropped, relabelled and reworded each.
Exits with 1 where a figure misses what the issue asks.
"""

import argparse
import csv
import hashlib
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TEXTS, STAGES = 100_000, ("collect", "clean", "validate", "split")
LABELS = ("negative", "neutral", "positive")
TOPICS = ("rooms", "food", "staff", "price", "place")
# So many seconds and megabytes at 400,000 texts; a stage's start is in them.
MOST_SECONDS, MOST_MEGABYTES = 40.0, 600
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
DIFF_TEXTS, MOST_DIFF_SECONDS = 1_000_000, 30.0
LEAST_CLEANED, LEAST_FINGERPRINT, LEAST_NEAR = 5_000, 200.0, 20.0
TELLING = {
    "negative": ("dreadful", "awful", "filthy", "rude"),
    "neutral": ("ordinary", "average", "plain", "usual"),
    "positive": ("wonderful", "lovely", "brilliant", "kind"),
}
# As many words as a person uses; the first ones are drawn more often, as in any language.
SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "ta", "so", "ve", "pi", "du", "fa", "ge", "hi", "jo", "ba", "ri")
COMMON = (
    "the", "a", "was", "and", "it", "of", "to", "in", "we", "they", "had", "not", "with", "for", "my", "room",
    "hotel", "food", "she", "said", "very",
)  # fmt: skip


def write_table(path: Path, texts: int) -> None:
    """Write a table of texts; a longer one begins with the rows of a shorter one."""
    draw, known = random.Random(20), made_words()
    recent: list[tuple[str, str]] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label", "time", "author", "topic"])
        for number in range(texts):
            text, label = made_text(known, draw, recent)
            if len(recent) < 5_000:
                recent.append((text, label))
            else:
                recent[draw.randrange(5_000)] = (text, label)
            month, day = draw.randint(1, 12), draw.randint(1, 28)
            moment = f"2026-{month:02}-{day:02}T{draw.randint(0, 23):02}:00:00Z"
            table.writerow([number, text, label, moment, f"u{number // 3}", draw.choice(TOPICS)])


def made_words() -> list[str]:
    """Return the words that texts are made of."""
    draw = random.Random(5)
    return [*COMMON] * 20 + ["".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(3_000)]


def made_text(known: list[str], draw: random.Random, recent: list[tuple[str, str]]) -> tuple[str, str]:
    """Return a text and its label: a new one, a copy or a near copy of a recent one."""
    kind = draw.random()
    if recent and kind < 0.03:
        return draw.choice(recent)
    if recent and kind < 0.06:
        text, label = draw.choice(recent)
        return f"RT @user{draw.randint(1, 99)} {text}!", label
    label = draw.choice(LABELS)
    words = draw.choices(known, k=draw.randint(8, 30))
    words[draw.randrange(len(words))] = draw.choice(TELLING[label])
    if draw.random() < 0.2:
        words.append(str(draw.randint(1, 999)))
    if kind < 0.10:
        words.append(f"mail {draw.choice(known)}.{draw.choice(known)}@example.com")
    elif kind < 0.13:
        words.append(f"call +49 30 {draw.randint(1000000, 9999999)}")
    elif kind < 0.16:
        words.append(f"see https://example.com/{draw.randint(1, 9999)} &amp; more")
    elif kind < 0.18:
        words.append("<b>so</b> sooooo good 🎉")
    return " ".join(words), label


def run_stage(name: str, folder: Path) -> None:
    """Run one stage through its function, and print its seconds and the peak of its memory as JSON."""
    from pipeline.base.config import SplitConfig
    from pipeline.io.params_file import load_params
    from pipeline.stages.clean import clean
    from pipeline.stages.collect import collect
    from pipeline.stages.split import split
    from pipeline.stages.validate import validate

    params = load_params(ROOT / "params.yaml")
    # The words are made up, so they are of no language.
    limits = params.validation.model_copy(update={"min_language_share": 0.0})
    raw, cleaned, validated, out = (folder / one for one in ("raw", "clean", "validation", "splits"))
    parts: dict[str, Callable[[], Any]] = {
        "collect": lambda: collect(_reader(folder), raw, mask=True),
        "clean": lambda: clean(raw, cleaned, params.clean, LABELS),
        "validate": lambda: validate(cleaned, validated, limits, LABELS),
        "split": lambda: split(
            cleaned, validated, out, SplitConfig(valid=0.1, test=0.1, salt="s", near_duplicates=0.8)
        ),
    }
    start = time.perf_counter()
    receipt = parts[name]()
    seconds = time.perf_counter() - start
    content = json.dumps([receipt.counts, receipt.figures, receipt.notes], sort_keys=True)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": sum(sum(resource.getrusage(one)[:2]) for one in WHO),
                "megabytes": [resource.getrusage(one).ru_maxrss // 1024 for one in WHO],
                "digest": hashlib.sha256(content.encode()).hexdigest()[:16],
            }
        )
    )


def _reader(folder: Path) -> Any:
    from pipeline.base.config import CollectConfig, Workspace
    from pipeline.io.sources.source_reader import open_sources

    columns = {"text": "text", "label": "label", "rating": None, "id": "id", "group": "author"}
    columns |= {"time": "time", "split": None, "topic": "topic"}
    source = {"kind": "csv", "name": "made", "path": "made.csv", "columns": columns, "group_pattern": None}
    source |= {"ratings": None, "label_map": {}, "lang": "en", "licence": "made up"}
    cfg = CollectConfig.model_validate({"max_megabytes": 10_000, "labels": LABELS, "sources": [source]})
    return open_sources(Workspace.of(folder, {}), cfg)


def bench_stages(folder: Path, texts: int) -> bool:
    """Print a line for each stage, and return whether all keep their limits."""
    write_table(folder / "made.csv", texts)
    total, largest = 0.0, 0
    for name in STAGES:
        run = subprocess.run(
            [sys.executable, __file__, "--stage", name, "--keep", str(folder)],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        if run.returncode:
            print(run.stderr[-2000:])
            return False
        figures = json.loads(run.stdout.splitlines()[-1])
        total += figures["seconds"]
        own, worker = figures["megabytes"]
        largest = max(largest, own, worker)
        print(
            f"{name:<9} {figures['seconds']:6.1f} s  {texts / figures['seconds']:9,.0f} texts/s  "
            f"{figures['cpu']:6.1f} s of CPU  {own:5,} MB (a worker {worker:,} MB)  {figures['digest']}",
            flush=True,
        )
    load = os.getloadavg()[0]
    print(
        f"{texts:,} texts: {total:.1f} s in all, at most {largest:,} MB, "
        f"{os.cpu_count()} cores, load {load:.1f}"
    )
    return total <= max(MOST_SECONDS * texts / 400_000, 20.0) and largest <= MOST_MEGABYTES


def bench_parts(texts: int = 10_000) -> bool:
    """Print the rates of the parts on one core, by CPU time, and return whether all keep their limits."""
    from pipeline.core.clean.near_duplicates import near_duplicate_clusters, sign_texts
    from pipeline.core.privacy.preparation import prepare_batch
    from pipeline.io.streams.fingerprint import COLUMNS, add_rows

    draw, known, recent = random.Random(20), made_words(), list[tuple[str, str]]()
    for _ in range(texts):
        recent.append(made_text(known, draw, recent[-5_000:]))
    made = [text for text, _ in recent]
    columns = {name: [f"{name} {row % 7}" for row in range(texts)] for name in COLUMNS} | {"text": made}
    prepare_batch("2-masked", made[:100])
    sign_texts(0.8, made[:100])
    clean = texts / _cpu(
        lambda: (prepare_batch("2-masked", made), near_duplicate_clusters(made, similarity=0.8))
    )
    cells = sum(len(cell.encode()) for column in columns.values() for cell in column)
    megabytes = cells / 1e6 / _cpu(lambda: add_rows("train", columns))
    ratio = float("nan")
    # No package of ours needs it: `pip install datasketch` to compare.
    if importlib.util.find_spec("datasketch"):
        ratio = _cpu(lambda: _datasketch(made[:500])) / _cpu(lambda: sign_texts(0.8, made[:500]))
    print(
        f"one core: PII and near duplicates {clean:,.0f} texts/s, fingerprint {megabytes:.0f} MB/s, "
        f"near duplicates {ratio:.1f} times datasketch"
    )
    return clean >= LEAST_CLEANED and megabytes >= LEAST_FINGERPRINT and not ratio < LEAST_NEAR


def bench_diff(folder: Path, texts: int = DIFF_TEXTS) -> bool:
    """Print the seconds of the comparison of two versions, and return whether they keep their limit."""
    from pipeline.io.versioning.version_diff import diff_folders

    draw, known = random.Random(20), made_words()
    sentences = [made_text(known, draw, [])[0] for _ in range(5_000)]
    one = texts // 100
    write_version(folder / "old", range(texts), sentences, changed=range(0))
    write_version(folder / "new", range(one, texts + one), sentences, changed=range(2 * one, 3 * one))
    start = time.perf_counter()
    found = diff_folders(folder / "old", folder / "new", names=("v1", "v2"))
    seconds = time.perf_counter() - start
    print(f"data diff of two versions of {texts:,} texts: {seconds:.1f} s, {found.counts}")
    expected = dict.fromkeys(("added", "dropped", "relabelled", "reworded"), one)
    return seconds <= MOST_DIFF_SECONDS and found.counts == {**expected, "moved": 0}


def write_version(folder: Path, rows: range, sentences: list[str], *, changed: range) -> None:
    """Write the columns of a version that are compared; the `changed` rows have another label and text."""
    import pyarrow
    from pyarrow import parquet

    folder.mkdir(parents=True)
    table = pyarrow.table(
        {
            "id": [f"made-{row}" for row in rows],
            "text": [f"{sentences[row % 5_000]} {row}{'!' * (row in changed)}" for row in rows],
            "label": [LABELS[(row + (row in changed)) % 3] for row in rows],
        }
    )
    for number, split in enumerate(("train", "valid", "test")):
        parquet.write_table(table.filter(_of_split(rows, number)), folder / f"{split}.parquet")


def _of_split(rows: range, number: int) -> Any:
    """Return which rows belong to a split: eight of ten to the first one."""
    import pyarrow

    return pyarrow.array([max(0, row % 10 - 7) == number for row in rows])


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _datasketch(texts: list[str]) -> list[Any]:
    """Sign texts as a person does who reads its manual."""
    from datasketch import MinHash

    return [
        MinHash.bulk([[text[at : at + 5].encode() for at in range(len(text) - 4)]], num_perm=128)
        for text in texts
    ]


def main() -> int:
    """Print the figures; exit with 1 where one misses its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", nargs="?", type=int, default=TEXTS)
    parser.add_argument("--stage", choices=STAGES)
    parser.add_argument("--stages-only", action="store_true")
    parser.add_argument("--diff-only", action="store_true")
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    if asked.stage:
        run_stage(asked.stage, asked.keep)
        return 0
    with tempfile.TemporaryDirectory(prefix="tonewatch-data-") as scratch:
        folder = asked.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        held = asked.diff_only or bench_stages(folder, asked.texts)
        if not asked.stages_only:
            held = bench_diff(folder / "versions") and held
    if not (asked.stages_only or asked.diff_only):
        held = bench_parts() and held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
