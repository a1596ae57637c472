"""Bench the reading of CSV files: rows a second of our reader against DuckDB alone, and the memory it takes.

    .venv/bin/python tests/bench/tables.py [ROWS]

DuckDB hands the same cells to Python as strings, in the same process and run; the best
of three rounds counts.
"""

import csv
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.base.records import Unreadable
from pipeline.io.table_files.opening import open_table
from pipeline.io.table_files.shape import TableRequest

ROWS, ROUNDS, LEAST = 200_000, 3, 0.5
WORDS = (
    "the", "a", "kettle", "film", "hotel", "was", "dreadful", "wonderful", "café", "ordinary", "on", "monday",
    '"fine",', "she", "said,", "never", "again",
)  # fmt: skip


def write_table(path: Path, rows: int) -> None:
    """Write texts of 24 words, a third of them quoted, with four columns beside."""
    draw = random.Random(20)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label", "time", "author"])
        for number in range(rows):
            text = " ".join(draw.choices(WORDS, k=24))
            table.writerow(
                [number, text, draw.choice(["neg", "pos"]), "2026-09-13T08:00:00Z", f"u{number % 999}"]
            )


def read_ours(path: Path) -> int:
    """Read each row, with everything found out from the file."""
    with open_table(TableRequest(path, path.name, 4_000_000_000)) as table:
        return sum(1 for row in table.rows if not isinstance(row, Unreadable))


def read_duckdb(path: Path) -> int:
    """Read each row as a tuple of strings."""
    import duckdb

    result = duckdb.execute("SELECT * FROM read_csv(?, all_varchar = true)", [str(path)])
    count = 0
    while rows := result.fetchmany(4096):
        count += len(rows)
    return count


def best_seconds(work: Callable[[Path], int], path: Path, rows: int) -> float:
    """Return the seconds of the best of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = work(path)
        seconds.append(time.perf_counter() - start)
        assert count == rows, f"{count} rows of {rows}"
    return min(seconds)


def peak_megabytes(path: Path) -> int:
    """Return the peak of memory of a process that reads a table and nothing else."""
    program = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, 'tests/bench'); import tables\n"
        "tables.read_ours(Path(sys.argv[1]))\n"
        "print(int(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]) // 1024)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    return int(run.stdout.split()[-1])


def main() -> int:
    """Print the figures; exit with 1 below half of DuckDB's rate."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path, tenth = Path(folder) / "t.csv", Path(folder) / "tenth.csv"
        write_table(path, rows)
        write_table(tenth, rows // 10)
        ours, duckdb = (best_seconds(work, path, rows) for work in (read_ours, read_duckdb))
        small, large = peak_megabytes(tenth), peak_megabytes(path)
    ratio = duckdb / ours
    print(f"{rows:,} rows: {rows / ours:,.0f} rows/s, DuckDB {rows / duckdb:,.0f} rows/s, ratio {ratio:.2f}")
    print(f"peak memory: {small} MB for {rows // 10:,} rows, {large} MB for {rows:,}")
    return 0 if ratio >= LEAST and large <= 1.1 * small + 10 else 1


if __name__ == "__main__":
    sys.exit(main())
