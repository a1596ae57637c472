"""Run the whole pipeline as a demo on one laptop: `make demo`. Only the clock is simulated.

Train on movie reviews and serve; tweets arrive as traffic. Drift is detected and named, a retrain learns from
feedback, the gate accepts it, and it is promoted without a restart. Then a person approves a bad release, its
accuracy drops, and it is rolled back automatically. The demo ends with the timeline and the address of the
dashboard.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[1]
HOUR = timedelta(hours=1)
SEED = 20
BATCH_SIZE, TEXTS_PER_HOUR = 50, 200
LABELS_TO_RETRAIN = 1100

# Short enough to run three times; the thresholds are those of the one source it begins with.
SETTINGS: dict[str, dict[str, Any]] = {
    "validate": {"min_label_share": 0.03},
    "pretrain": {"steps": 20, "eval_texts": 200},
    "finetune": {"min_steps": 240, "eval_every": 120},
    "evaluate": {"resamples": 300},
    "gate": {"min_macro_f1": 0.45, "abilities": {}, "max_calibration_error": 0.2, "resamples": 1000},
    "schedule": {"retrain_on_alert": True},
}
MENU = ("fp32", "trimmed-int8")
BENCHMARK_TEXTS = 32


@dataclass
class Clock:
    """Hold the simulated time."""

    now: datetime

    def __call__(self) -> datetime:
        """Return the simulated time."""
        return self.now


@dataclass
class Demo:
    """Hold the workspace, the clock, and the timeline."""

    root: Path
    clock: Clock
    address: str = ""
    started: float = field(default_factory=time.monotonic)
    timeline: list[str] = field(default_factory=list)

    def log(self, event: str) -> None:
        """Print an event with the simulated and the real time."""
        entry = f"{self.clock.now:%a %H:%M}  +{time.monotonic() - self.started:4.0f} s  {event}"
        self.timeline.append(entry)
        print(entry, flush=True)

    def command(self, *arguments: str, allowed: Sequence[int] = (0,)) -> Any:
        """Run `tonewatch` in the workspace and return its JSON."""
        command = [sys.executable, "-m", "pipeline", *arguments, "--json", "--workspace", str(self.root)]
        # dvc.yaml calls `tonewatch`, which `make` does not put on the path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if process.returncode not in allowed:
            raise SystemExit(
                f"tonewatch {' '.join(arguments)} ended with {process.returncode}:\n{process.stderr[-3000:]}"
            )
        return json.loads(process.stdout)

    def params(self) -> dict[str, Any]:
        """Read the workspace's params."""
        return dict(yaml.safe_load((self.root / "params.yaml").read_text("utf-8")))

    def change(self, **sections: dict[str, Any]) -> None:
        """Write values into sections of the params."""
        params = self.params()
        for section, values in sections.items():
            params[section] |= values
        (self.root / "params.yaml").write_text(
            yaml.safe_dump(params, sort_keys=False, allow_unicode=True), "utf-8"
        )

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON to the service and return its response."""
        headers = {**self._authorization(), "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def get(self, path: str) -> Any:
        """Return JSON from the service."""
        request = urllib.request.Request(self.address + path, headers=self._authorization())
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def _authorization(self) -> dict[str, str]:
        key = self.root / ".tonewatch" / "local.key"
        return {"Authorization": f"Bearer {key.read_text().strip()}"}

    def ready(self) -> bool:
        """Return whether the service is ready."""
        try:
            return bool(self.get("/readyz")["ready"])
        except OSError:
            return False


def main() -> None:
    """Run the demo in a new folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder for the workspace; it must not exist")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    demo = Demo(parser.parse_args().folder.resolve(), Clock(now))
    _prepare(demo)
    result = demo.command("run", "--reason", "the first model, trained on movie reviews")
    demo.log(f"{_summary(result)}: trained on movie reviews alone")
    texts = _texts(demo)
    with _serving(demo):
        alerts = _simulate_hours(demo, texts["movie"], hours=3, feedback=0.0, until=lambda _: False)
        demo.log(f"three hours of movie reviews; alerts: {alerts}")
        _simulate_hours(
            demo,
            texts["tweet"],
            hours=14,
            feedback=0.8,
            until=lambda summary: summary["retrain"] and summary["labels"] >= LABELS_TO_RETRAIN,
        )
        demo.log(_summary(demo.command("run", "--reason", "the texts are tweets now", allowed=(0, 1))))
        _wait_for_champion(demo)
        _simulate_hours(demo, texts["tweet"], hours=1, feedback=0.5, until=lambda _: False)
        _approve_bad_release(demo)
        _simulate_hours(
            demo, texts["tweet"], hours=6, feedback=0.8, until=lambda summary: bool(summary["rollback"])
        )
        _wait_for_champion(demo)
        _end(demo)


def _prepare(demo: Demo) -> None:
    subprocess.run(
        [sys.executable, "-m", "pipeline", "init", str(demo.root)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    params = demo.params()
    # Tweets arrive later, as traffic.
    wanted = ("movie", "feedback", "replay")
    movies = [source for source in params["collect"]["sources"] if source["name"] in wanted]
    menu = [variant for variant in params["compress"]["menu"] if variant["name"] in MENU]
    # The speed of variants is of no interest here.
    demo.change(
        collect={"sources": movies}, compress={"menu": menu, "benchmark_texts": BENCHMARK_TEXTS}, **SETTINGS
    )


def _summary(result: dict[str, Any]) -> str:
    if "document" not in result:
        return f"rejected by the gate: {result['error'].partition(' See ')[0]}"
    release = result["document"]
    low, high = release["intervals"]["macro_f1"]
    comparison = release["comparison"]
    macro_f1 = f"macro F1 {release['metrics']['macro_f1']:.3f} [{low:.3f}, {high:.3f}]"
    texts = f"{release['evaluation']['texts']} texts"
    gain = ""
    if comparison:
        difference = comparison["macro_f1"]["difference"]
        gain = f", {difference:+.3f} against {comparison['champion']} on the same texts"
    return f"{release['release']} in service (data {release['data_version']}, {macro_f1} on {texts}{gain})"


def _texts(demo: Demo) -> dict[str, Iterator[tuple[str, str]]]:
    """Return labelled texts that no model is trained on: movie reviews for validation, and tweets."""
    from pipeline.io import parquet
    from pipeline.io.params_file import load_params
    from pipeline.io.sources.readers import read_rows
    from pipeline.io.sources.rows import rows_to_records

    cfg = load_params(CHECKOUT / "params.yaml").collect
    source = next(source for source in cfg.tables if source.name == "tweet")
    rows = read_rows(
        source,
        root=demo.root,
        downloads=demo.root / ".tonewatch" / "downloads",
        max_bytes=cfg.max_megabytes * 1_000_000,
    )
    tweets = [(record.text, record.label) for record in rows_to_records(rows, source, cfg.labels)]
    movies = [
        (record.text, record.label)
        for record in parquet.read_texts(demo.root / "data" / "splits" / "valid.parquet")
    ]
    # The files are sorted by content; traffic is not.
    generator = random.Random(SEED)
    generator.shuffle(movies)
    generator.shuffle(tweets)
    return {"movie": iter(movies), "tweet": itertools.cycle(tweets)}


@contextlib.contextmanager
def _serving(demo: Demo) -> Iterator[None]:
    """Serve the workspace as `tonewatch serve` does, with the simulated clock."""
    import uvicorn

    from pipeline.base.config import Workspace
    from pipeline.serve.build import build_app, ensure_key

    workspace = Workspace.of(demo.root, os.environ)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    demo.address = f"http://127.0.0.1:{port}"
    ensure_key(workspace, "127.0.0.1")
    server = uvicorn.Server(
        uvicorn.Config(build_app(workspace, host="127.0.0.1", now=demo.clock), port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _wait(lambda: server.started and demo.ready(), "the service is not ready")
    demo.log(f"serving at {demo.address}")
    yield
    server.should_exit = True
    thread.join(30)


def _simulate_hours(
    demo: Demo,
    texts: Iterator[tuple[str, str]],
    *,
    hours: int,
    feedback: float,
    until: Callable[[dict[str, Any]], bool],
) -> int:
    """Send traffic and watch each hour as it ends, until `until` is true; return the number of alerts."""
    alerts = 0
    for _ in range(hours):
        _send_traffic(demo, list(itertools.islice(texts, TEXTS_PER_HOUR)), feedback)
        demo.clock.now += HOUR
        summary = demo.command("watch", "--now", demo.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        alerts += len(summary["alerts"])
        for title in summary["alerts"]:
            demo.log(f"alert: {title}")
        if summary["rollback"]:
            demo.log(f"rolled back automatically: {summary['rollback']['reason']}")
        if until(summary):
            break
    return alerts


def _send_traffic(demo: Demo, texts: Sequence[tuple[str, str]], feedback: float) -> None:
    start_time = demo.clock.now
    for start in range(0, len(texts), BATCH_SIZE):
        batch = texts[start : start + BATCH_SIZE]
        demo.clock.now = start_time + HOUR * start / len(texts)
        response = demo.post("/v1/predict", {"texts": [text for text, _ in batch], "topic": "reviews"})
        for position, (_, label) in enumerate(batch[: round(len(batch) * feedback)]):
            demo.post("/v1/feedback", {"request": response["request"], "position": position, "label": label})
    demo.clock.now = start_time


def _approve_bad_release(demo: Demo) -> None:
    """Reverse the labels, as a mistake in a table does; the gate rejects it, a person approves it."""
    collect = demo.params()["collect"]
    tables = [source for source in collect["sources"] if source["kind"] != "feedback"]
    demo.change(collect={"labels": collect["labels"][::-1], "sources": tables})
    demo.log(_summary(demo.command("run", "--reason", "a new table of labels", allowed=(0, 1))))
    demo.change(gate={"approval": "human", "forgetting_margin": 1.0, "slice_margin": 1.0})
    reason = "a new table of labels, with a looser gate"
    result = demo.command("run", "--reason", reason, allowed=(0, 1))
    if not result.get("waiting"):
        raise SystemExit(
            f"The bad release does not wait for approval: {result.get('error') or _summary(result)}"
        )
    name = result["document"]["release"]
    demo.command(
        "release", "approve", name, "--actor", "someone in a hurry", "--reason", "the metrics look fine"
    )
    demo.log(f"a person loosened the gate and approved the same candidate as {name}")
    _wait_for_champion(demo)


def _wait_for_champion(demo: Demo) -> None:
    champion = demo.command("release", "show")["release"]
    _wait(lambda: demo.get("/v1/release")["release"] == champion, f"{champion} is not served")
    demo.log(f"the service predicts with {champion}, without a restart")


def _wait(done: Callable[[], bool], why: str) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.1)
    raise SystemExit(f"{why} within 20 s")


def _end(demo: Demo) -> None:
    print("\nTimeline:\n" + "\n".join(demo.timeline))
    print(f"\nDashboard: {demo.address}/   (sign in with {demo.root}/.tonewatch/local.key)")
    if sys.stdin.isatty():
        with contextlib.suppress(KeyboardInterrupt):
            input("Press Enter to stop the service. ")


if __name__ == "__main__":
    main()
