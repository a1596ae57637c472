"""The memory of the data stages hardly grows with the number of texts: of each text numbers are held."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
# For 150,000 texts more: some 250 bytes a text, and what the allocators keep.
MOST_MEGABYTES = 80
# The fewer ones fill a row group of the training split, which is held until it is full: 65,536 texts.
FEW, MANY = 100_000, 250_000
LINE = re.compile(r"^(collect|clean|validate|split) .* ([\d,]+) MB \(a worker ([\d,]+) MB\)", re.MULTILINE)


def peaks(folder: Path, texts: int) -> dict[str, tuple[int, int]]:
    program = [sys.executable, "tests/bench/data.py", str(texts), "--stages-only", "--keep", str(folder)]
    run = subprocess.run(program, cwd=CHECKOUT, capture_output=True, text=True)
    numbers = {name: (own, worker) for name, own, worker in LINE.findall(run.stdout)}
    return {
        name: (int(own.replace(",", "")), int(worker.replace(",", "")))
        for name, (own, worker) in numbers.items()
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_150_000_texts_more_take_hardly_more_memory(tmp_path: Path) -> None:
    few, many = peaks(tmp_path / "few", FEW), peaks(tmp_path / "many", MANY)

    assert set(few) == set(many) == {"collect", "clean", "validate", "split"}
    for name, (own, worker) in many.items():
        assert own - few[name][0] < MOST_MEGABYTES, (name, few[name], own)
        assert worker - few[name][1] < MOST_MEGABYTES, (name, few[name], worker)
