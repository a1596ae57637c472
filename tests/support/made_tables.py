"""Tables with every kind of row that the data stages treat apart, from a fixed seed."""

import csv
import hashlib
import json
import random
from pathlib import Path

from cleaning import ALL_MAY_BE_LOST, SMALL_CHANGES

from pipeline.base.config import CleanConfig, CollectConfig, SplitConfig, ValidateConfig, Workspace
from pipeline.base.records import Receipt
from pipeline.io import files, parquet
from pipeline.io.sources.source_reader import SourceReader, open_sources
from pipeline.io.streams.worker_pool import Batching
from pipeline.stages import clean, collect, split, validate

LABELS = ("bad", "so so", "good")
CLEAN = CleanConfig(min_words=2, max_words=60, mask=True, max_loss=ALL_MAY_BE_LOST)
VALIDATE = ValidateConfig(
    min_texts=20,
    min_label_share=0.05,
    max_words=60,
    max_mean_words=40,
    max_duplicate_share=0.5,
    max_quarantine_share=0.9,
    language="en",
    language_min_words=5,
    min_language_share=0.1,
    sample_texts=300,
    max_residue_share=0.1,
    max_unknown_tokens=0.05,
    max_cut_words=0.1,
    max_shift=0.1,
    likely_wrong=20,
    change=SMALL_CHANGES,
)
SPLIT = SplitConfig(valid=0.15, test=0.2, salt="s", near_duplicates=0.8)
STAGES = ("raw", "clean", "validation", "splits")
WORDS = [
    "the", "kettle", "film", "hotel", "was", "dreadful", "wonderful", "ordinary", "on", "monday", "she",
    "said", "never", "again", "room", "service", "arrived", "late", "with", "cold", "soup", "and",
    "warm", "bread", "nobody", "asked", "for", "our", "train", "left", "early", "because", "of", "heavy",
    "rain", "in", "october", "people", "waited", "outside", "while", "the", "music", "played", "softly",
    "behind", "closed", "doors", "my", "sister", "loved", "every", "minute", "of", "it",
]  # fmt: skip
ODD = (
    "nan",
    "",
    "oh",
    "mail me: ann.lee@example.com please now",
    "<b>so</b> &amp; sooooo nice here",
    "caf\u00c3\u00a9 was shut again",
    "call +49 30 1234567 about the room",
    "see https://example.com/a?b=1 for more",
    "@someone was really kind to us",
    "das Zimmer war sehr kalt und niemand hat sich entschuldigt",
    "\u8fd9\u4e2a\u623f\u95f4\u5f88\u51b7",
    "\U0001f389 great \U0001f389 party \u2019twas",
)


def write_made(path: Path, rows: int, *, own_split: bool) -> None:
    """Write a table; with `own_split` its rows name train or test, else some ids are addresses."""
    draw = random.Random(7)
    texts: list[tuple[str, str]] = []
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label", "time", "author", "topic", "side"])
        for number in range(rows):
            text, label = _made(draw, texts)
            texts.append((text, label))
            name = f"ann{number}@example.com" if number % 40 == 3 and not own_split else str(number)
            # The month comes first; most dates do not say so.
            day = draw.randint(13, 28) if number == rows - 5 else draw.randint(1, 12)
            time = ("", "soon", "2026-09-13T08:00:00+02:00", "1700000000")[number % 4]
            time = f"{draw.randint(1, 12)}/{day}/2026 08:30" if number % 3 or number == rows - 5 else time
            side = draw.choice(["train", "train", "train", "Test", ""]) if own_split else ""
            author = "" if own_split else f"u{number // 2}"
            table.writerow([name, text, label, time, author, draw.choice(["rooms", "food"]), side])
            if number % 97 == 5:
                file.write("one,cell,too,many,of,them,in,this,line\n")


def _made(draw: random.Random, texts: list[tuple[str, str]]) -> tuple[str, str]:
    kind = draw.random()
    if texts and kind < 0.08:
        return draw.choice(texts)
    if texts and kind < 0.18:
        text, label = draw.choice(texts)
        return f"RT @user{draw.randint(1, 99)} {text.upper() if kind < 0.12 else text}!", label
    if kind < 0.3:
        return draw.choice(ODD), draw.choice(["Bad", "good", "", "unheard", "so so"])
    return " ".join(draw.choices(WORDS, k=draw.randint(3, 18))), draw.choice(["bad", "so so", "good", "GOOD"])


def made_sources(root: Path, *, own_split: bool) -> SourceReader:
    """Open the table that `write_made` wrote as a source."""
    columns = {"text": "text", "label": "label", "rating": None, "id": "id", "group": "author"}
    columns |= {"time": "time", "split": "side" if own_split else None, "topic": "topic"}
    source = {"kind": "csv", "name": "made", "path": "made.csv", "columns": columns, "group_pattern": None}
    source |= {"ratings": None, "label_map": {}, "lang": "en", "licence": "made up"}
    cfg = CollectConfig.model_validate({"max_megabytes": 100, "labels": LABELS, "sources": [source]})
    return open_sources(Workspace.of(root, {}), cfg)


def stage_digests(root: Path) -> dict[str, str]:
    """Return a digest of every table and JSON document, and of what each receipt says."""
    digests = {}
    for stage in STAGES:
        receipt = files.read_receipt(root / stage)
        said = [dict(receipt.counts), dict(receipt.figures), dict(receipt.notes)]
        digests[f"{stage}/receipt"] = _digest(said, root)
        for path in sorted((root / stage).glob("*")):
            if path.suffix == ".parquet":
                digests[f"{stage}/{path.name}"] = _digest(parquet.read_rows(path), root)
            elif path.name != files.RECEIPT:
                digests[f"{stage}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return digests


def _digest(content: object, root: Path) -> str:
    document = json.dumps(content, sort_keys=True).replace(str(root), "ROOT")
    return hashlib.sha256(document.encode()).hexdigest()[:16]


def run_stages(root: Path, *, own_split: bool, batching: Batching, validated: bool = True) -> dict[str, str]:
    """Run the four stages over the table, and return the digests of what they leave."""
    raw, cleaned, validation, splits = (root / stage for stage in STAGES)
    corrections = {"made:9": "bad", "made:x": "good"}
    collect.collect(made_sources(root, own_split=own_split), raw, mask=True, batching=batching)
    clean.clean(raw, cleaned, CLEAN, LABELS, corrections=corrections, batching=batching)
    if validated:
        validate.validate(cleaned, validation, VALIDATE, LABELS, batching=batching)
    else:
        with files.staging_dir(validation) as staging:
            files.write_receipt(staging, Receipt("validate"))
    learnt = [one.text + "!" for one in parquet.read_texts(cleaned / "texts.parquet")][::29]
    split.split(cleaned, validation, splits, SPLIT, learnt=learnt, batching=batching)
    return stage_digests(root)
