"""The smoke test before a move: a fresh process loads the files and predicts the golden texts."""

import json
import subprocess
import sys
from pathlib import Path

from pipeline.base.errors import Fault

GOLDEN = "golden.json"
TIMEOUT_SECONDS = 120  # a loaded machine starts slowly; a sound model takes one or two
CODE = Path(__file__).parents[2]  # a folder `pipeline` in the workspace must not shadow ours


def smoke_test(folder: Path, tolerance: float) -> float:
    """Return the largest difference between a golden probability and the one a fresh process predicts.

    Raises Fault where the process fails or takes too long, or the difference exceeds the tolerance.
    """
    if not (folder / GOLDEN).is_file():
        raise Fault(f"{folder} has no {GOLDEN}, so it cannot be tested. Make a new release: `tonewatch run`.")
    result = _predict_golden(folder)
    worst = float(result["worst"])
    if not worst <= tolerance:  # NaN fails too
        raise Fault(
            f"{folder} predicts its {result['texts']} golden texts differently: a probability differs by "
            f"{worst:.4f}, at most {tolerance} is allowed (gate.golden_tolerance). Nothing was moved."
        )
    return worst


def _predict_golden(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "pipeline.serve.smoke_test", str(folder.resolve())]
    try:
        process = subprocess.run(
            command, cwd=CODE, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Fault(
            f"{folder} did not predict its golden texts within {TIMEOUT_SECONDS} s. Nothing was moved."
        ) from None
    if process.returncode:
        error = process.stderr.strip().rpartition("\n")[2] or "no error message"
        raise Fault(
            f"{folder} cannot be served: a fresh process that loaded it exited with {process.returncode} "
            f"({error}). Nothing was moved."
        )
    return dict(json.loads(process.stdout.splitlines()[-1]))
