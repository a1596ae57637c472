"""The smoke test before a move: the very files, loaded by the serving code in a fresh process, must answer as they did when made."""

import json
import subprocess
import sys
from pathlib import Path

from pipeline.base.errors import Fault

GOLDEN = "golden.json"
SECONDS = 120  # a machine under load starts slowly; a good artefact takes one or two
CODE = Path(__file__).parents[2]  # so that a `pipeline` folder of the workspace cannot stand in for ours


def smoke_test(folder: Path, tolerance: float) -> float:
    """Have a fresh process answer the golden texts; gives how far the furthest probability lies from the kept one.

    Raises Fault when the process dies or takes too long, and when it differs by more than the tolerance.
    """
    if not (folder / GOLDEN).is_file():
        raise Fault(
            f"{folder} has no {GOLDEN}, so nobody can say what it should answer. Make a new release with `tonewatch run`."
        )
    told = _told(folder)
    worst = float(told["worst"])
    if not worst <= tolerance:  # so written, NaN fails too
        raise Fault(
            f"{folder} answers its {told['texts']} golden texts otherwise than when it was made: a probability differs by {worst:.4f}, "
            f"at most {tolerance} is allowed (gate.golden_tolerance). Nothing was moved."
        )
    return worst


def _told(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "pipeline.serve.smoke_test", str(folder.resolve())]
    try:
        ended = subprocess.run(
            command, cwd=CODE, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise Fault(
            f"{folder} did not answer its golden texts within {SECONDS} s in a process of its own. Nothing was moved."
        ) from None
    if ended.returncode:
        last = ended.stderr.strip().rpartition("\n")[2] or "it said nothing"
        raise Fault(
            f"{folder} cannot be served: a fresh process that loaded it ended with {ended.returncode} ({last}). Nothing was moved."
        )
    return dict(json.loads(ended.stdout.splitlines()[-1]))
