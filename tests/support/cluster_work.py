"""What tests have a Ray cluster do: its workers import these functions."""

import os
import signal
import time
from pathlib import Path


def square_where(number: int) -> tuple[int, str]:
    """Return the square of a number and the node that worked it out, in a moment."""
    import ray

    time.sleep(0.05)
    return number * number, str(ray.get_runtime_context().get_node_id())


def square_or_die_once(folder: Path, number: int) -> int:
    """Return the square of a number; the first worker that gets 7 is killed in the midst of it."""
    mark = folder / "killed"
    if number == 7 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def square_slowly(folder: Path, number: int) -> int:
    """Return the square of a number, after a while and a mark that it was begun."""
    (folder / f"begun-{number}").touch()
    time.sleep(0.3)
    return number * number
