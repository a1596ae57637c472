"""How fast the parts are on this machine: `make bench`. Prints figures and judges none."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = tuple(
    f"I did <b>not</b> like part {number} &amp; the {word} one was &ldquo;fine&rdquo; :-)"
    for number in range(500)
    for word in ("first", "last")
)


def main() -> None:
    """Measure and print one line each."""
    _say("tonewatch --help", f"{_help_seconds():.2f} s of CPU")
    _say("clean", f"{_rate(_clean, len(TEXTS)):,.0f} texts/s")
    _say("report", f"{1000 / _rate(_report, 1):.0f} ms a page")
    _predictions()


def _say(what: str, figure: str) -> None:
    print(f"{what:<28}{figure}")


def _rate(work: Callable[[], object], amount: int, times: int = 5) -> float:
    """Give the median amount per second; the first round warms up and does not count."""
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return amount / statistics.median(seconds)


def _help_seconds() -> float:
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "pipeline", "--help"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(used)


def _clean() -> None:
    from pipeline.core.clean.rules import clean_text

    for text in TEXTS:
        clean_text(text)


def _report() -> None:
    from pipeline.report.release.page import release_page

    release_page(json.loads((ROOT / "tests" / "fixtures" / "release.json").read_text("utf-8")))


def _predictions() -> None:
    from pipeline.base.config import Workspace
    from pipeline.inference.load import load_predictor
    from pipeline.io.registry import release_files
    from pipeline.io.registry.ledger import Ledger

    places = Workspace.of(ROOT, os.environ)
    name = Ledger(places.ledger).champion() if places.home.is_dir() else None
    if name is None:
        _say("predict", "no release yet; type `make run`")
        return
    predictor = load_predictor(release_files.verified_copy(places, Ledger(places.ledger).get(name).record))
    _say(
        f"predict ({name}), one text",
        f"{_rate(lambda: predictor.predict(TEXTS[:1]), 1, times=50):,.0f} texts/s",
    )
    _say(f"predict ({name}), many", f"{_rate(lambda: predictor.predict(TEXTS), len(TEXTS)):,.0f} texts/s")


if __name__ == "__main__":
    main()
