"""The tables of the demo: half of the default texts to train on, the other half as traffic."""

import csv
import itertools
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from demo_workspace import CHECKOUT, Demo

SEED = 20
FIRST_TABLES = ("movie", "tweet")
MOST_TEXTS = 1200  # of a table

# Short enough to run four times, so the limits are wider; more test texts decide about less training.
SETTINGS: dict[str, dict[str, Any]] = {
    "validate": {"min_label_share": 0.03},
    "split": {"test": 0.25},
    "pretrain": {"steps": 0},
    "finetune": {"min_steps": 60, "eval_every": 200},
    "evaluate": {"resamples": 300, "frozen_encoder": None, "attack": {"texts": 60, "edits": 2, "tries": 6}},
    "gate": {
        "min_macro_f1": 0.4,
        "abilities": {},
        "ability_margin": 0.4,  # of ABILITY_CASES
        "slice_margin": 0.12,  # of some hundred texts
        "max_attack_drop": 0.6,
        "max_calibration_error": 0.25,
        "reserve": 0.0,
        "resamples": 1000,
    },
}
# A day is learnt where a service learns four weeks; every prediction of an hour may be drawn.
WATCH: dict[str, dict[str, Any]] = {
    "drift": {"learning_weeks": 0.14},
    "audit": {"per_topic_per_day": 480},
}
OVERLAP_TEXTS = 150  # of a topic, which both models predict where the champion changes
ABILITY_CASES = 30
BENCHMARK_TEXTS = 32


def prepare(demo: Demo) -> dict[str, Iterator[tuple[str, str]]]:
    """Write the workspace with a table of each topic; return the labelled texts of its traffic."""
    subprocess.run(
        [sys.executable, "-m", "pipeline", "init", str(demo.root)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    params = demo.params()
    menu = [variant for variant in params["compress"]["menu"] if variant["name"] == "fp32"]
    watch = {name: params["watch"][name] | values for name, values in WATCH.items()}
    watch["overlap_texts"] = OVERLAP_TEXTS
    # The size and the speed of variants are of no interest here.
    demo.change(
        collect={"sources": sources(*FIRST_TABLES)},
        compress={"menu": menu, "benchmark_texts": BENCHMARK_TEXTS},
        watch=watch,
        **SETTINGS,
    )
    behaviour = params["evaluate"]["behaviour"] | {"max_cases": ABILITY_CASES}
    demo.change(evaluate={"behaviour": behaviour})
    return {topic: itertools.cycle(traffic) for topic, traffic in _write_tables(demo).items()}


def sources(*tables: str) -> list[dict[str, Any]]:
    """Return the entries of `collect.sources` for these tables, feedback and replay."""
    columns: dict[str, str | None] = {name: name for name in ("text", "label", "id", "group")}
    columns |= dict.fromkeys(("rating", "time", "split"))
    shared: dict[str, Any] = {
        "group_pattern": None,
        "ratings": None,
        "label_map": {},
        "lang": "en",
        "licence": "MIT",
    }
    return [
        *(
            {"kind": "csv", "name": name, "path": f"tables/{name}.csv", "columns": columns, **shared}
            for name in tables
        ),
        {"kind": "feedback", "name": "feedback", "max_texts": 5000},
        {"kind": "replay", "name": "replay", "max_texts": 2000},
    ]


def _write_tables(demo: Demo) -> dict[str, list[tuple[str, str]]]:
    """Write half of the groups of each default source as its table; return the texts of the other half."""
    from pipeline.base.config import PackageSource
    from pipeline.base.records import TextRecord
    from pipeline.io.params_file import load_params
    from pipeline.io.sources.readers import read_rows
    from pipeline.io.sources.rows import rows_to_records

    cfg = load_params(CHECKOUT / "params.yaml").collect
    (demo.root / "tables").mkdir()
    generator, traffic = random.Random(SEED), dict[str, list[tuple[str, str]]]()
    for source in (one for one in cfg.tables if isinstance(one, PackageSource)):
        rows = read_rows(
            source,
            root=demo.root,
            downloads=demo.root / ".tonewatch" / "downloads",
            max_bytes=cfg.max_megabytes * 1_000_000,
        )
        read = rows_to_records(rows, source, cfg.labels)
        records = [record for record in read if isinstance(record, TextRecord)]
        groups = sorted({record.group for record in records})
        # The files are sorted by content; tables and traffic are not.
        generator.shuffle(groups)
        generator.shuffle(records)
        trained = set(groups[::2])
        table = [record for record in records if record.group in trained][:MOST_TEXTS]
        traffic[source.name] = [(one.text, one.label) for one in records if one.group not in trained]
        with (demo.root / "tables" / f"{source.name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "group", "text", "label"))
            writer.writerows((one.id, one.group, one.text, one.label) for one in table)
    return traffic
