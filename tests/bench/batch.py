"""Scoring a table beside the service: part of `make bench`.

    python tests/bench/batch.py [WORKSPACE] [--rows 20000] [--seconds 10] [--rounds 5]

Needs what `make run` leaves. The service and `tonewatch predict --file` take turns on one model and texts,
so that a slow minute is everybody's. The time of the command is that of the whole process.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import service

ROOT = service.ROOT


def main() -> None:
    """Start the service, let both take turns, and print the ratio of their texts a second."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if not (asked.workspace / "data" / "classifier" / "receipt.json").is_file():
        print("batch: no classifier yet; type `make run`")
        return
    with tempfile.TemporaryDirectory(prefix="tonewatch-batch-") as folder:
        scratch = service._scratch(asked.workspace.resolve(), Path(folder))
        _write_table(scratch, asked.rows)
        with service._started("ours", scratch) as (port, _):
            service._load(port, scratch, min(3.0, asked.seconds))
            rounds = []
            for _ in range(asked.rounds):
                rounds.append((_command(scratch, asked.rows), service._load(port, scratch, asked.seconds)[0]))
                print(f"batch: {rounds[-1][0]:,.0f} against {rounds[-1][1]:,.0f}", file=sys.stderr)
    ratios = sorted(command / served for command, served in rounds)
    print(
        f"predict --file ({asked.rows:,} rows of Parquet, whole process)  "
        f"{statistics.median(command for command, _ in rounds):,.0f} texts/s, "
        f"{statistics.median(ratios):.2f} times the service ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
        f"{asked.rounds} rounds in turn, {os.cpu_count()} cores"
    )


def _write_table(scratch: Path, rows: int) -> None:
    from pipeline.io import parquet

    texts = [record.text for record in parquet.read_texts(scratch / "data" / "splits" / "test.parquet")]
    parquet.write_rows(
        scratch / "comments.parquet", {"text": [texts[row % len(texts)] for row in range(rows)]}
    )


def _command(scratch: Path, rows: int) -> float:
    """Score the table with the command, and return its texts a second."""
    options = ["--file", "comments.parquet", "--out", "scored.parquet", "--force", "--workspace", "."]
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-m", "pipeline", "predict", *options],
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return rows / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
