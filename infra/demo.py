"""Run the whole pipeline as a demo on one laptop: `make demo`. Only the clock is simulated.

Half of the default texts are the tables to train on, the other half is the traffic. Train on movie reviews
and tweets, and serve four topics: these two, shop reviews and newspaper comments. Volunteers send corrections
only: nothing is promoted or rolled back for it. People label predictions that were drawn at random, and
shares are corrected. Opinion on the shop shifts, and an alarm names it. A retrain on all four tables passes
the gate and serves without a restart. Then a person approves a bad release, and audit labels take it back.
The demo ends with the timeline and the address of the dashboard.
"""

import argparse
import contextlib
import csv
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
TEXTS_PER_HOUR = 60  # of each topic; watch.min_texts of a window are 50
CALM_HOURS = 24
TOPICS = ("movie", "tweet", "amazon", "nyt")
FIRST_TABLES = ("movie", "tweet")
MOST_TEXTS = 3000  # of a table
MIN_STEPS_OF_BAD = 60
AUDITED = 100  # labels of a topic
SHIFT_HOURS, SHIFTED = 12, "amazon"

# Short enough to run four times, so the limits are wider; more test texts decide about less training.
SETTINGS: dict[str, dict[str, Any]] = {
    "validate": {"min_label_share": 0.03},
    "split": {"test": 0.30},
    "pretrain": {"steps": 4, "batch_size": 16, "eval_texts": 50},
    "finetune": {"min_steps": 100, "eval_every": 100},
    "evaluate": {"resamples": 300, "frozen_encoder": None},
    "gate": {
        "min_macro_f1": 0.4,
        "abilities": {},
        "ability_margin": 0.3,  # of 70 cases
        "slice_margin": 0.06,
        "max_attack_drop": 0.5,
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
# What somebody in a hurry writes into params.yaml.
NO_GATE = {"min_macro_f1": 0.0} | dict.fromkeys(
    ("forgetting_margin", "slice_margin", "ability_margin", "attack_margin"), 1.0
)
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
    truth: dict[tuple[str, int], str] = field(default_factory=dict)  # of each prediction
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
    # What is usual is learnt in whole days.
    midnight = (datetime.now(UTC) + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    demo = Demo(parser.parse_args().folder.resolve(), Clock(midnight))
    texts = _prepare(demo)
    result = demo.command("run", "--reason", "the first model, trained on movie reviews and tweets")
    demo.log(f"{_summary(result)}: trained on movie reviews and tweets alone")
    with _serving(demo):
        _live(demo, texts, hours=CALM_HOURS)
        _say_shares(demo, "nobody has labelled anything")
        demo.log(_summary(demo.command("run", "--reason", "corrections of volunteers", allowed=(0, 1))))
        _label(demo, most=AUDITED)
        _live(demo, texts, hours=1)
        _say_shares(demo, f"{AUDITED} audit labels a topic")
        _live(demo, texts, hours=SHIFT_HOURS, shifted=True, until=lambda summary: bool(summary["alerts"]))
        _retrain_on_all(demo)
        _live(demo, texts, hours=1)
        _approve_bad_release(demo)
        _live(demo, texts, hours=8, labels=True, until=lambda summary: bool(summary["rollback"]))
        _wait_for_champion(demo)
        _end(demo)


def _prepare(demo: Demo) -> dict[str, Iterator[tuple[str, str]]]:
    """Write the workspace with a table of each topic; return the labelled texts of its traffic."""
    subprocess.run(
        [sys.executable, "-m", "pipeline", "init", str(demo.root)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    params = demo.params()
    menu = [variant for variant in params["compress"]["menu"] if variant["name"] in MENU]
    watch = {name: params["watch"][name] | values for name, values in WATCH.items()}
    # The speed of variants is of no interest here.
    demo.change(
        collect={"sources": _sources(*FIRST_TABLES)},
        compress={"menu": menu, "benchmark_texts": BENCHMARK_TEXTS},
        watch=watch,
        **SETTINGS,
    )
    return {topic: itertools.cycle(traffic) for topic, traffic in _write_tables(demo).items()}


def _sources(*tables: str) -> list[dict[str, Any]]:
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


def _summary(result: dict[str, Any]) -> str:
    if "document" not in result:
        return f"rejected by the gate: {result['error'].partition(' See ')[0].partition('. ')[0]}"
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


def _write_tables(demo: Demo) -> dict[str, list[tuple[str, str]]]:
    """Write half of the groups of each default source as its table; return the texts of the other half."""
    from pipeline.io.params_file import load_params
    from pipeline.io.sources.readers import read_rows
    from pipeline.io.sources.rows import rows_to_records

    cfg = load_params(CHECKOUT / "params.yaml").collect
    (demo.root / "tables").mkdir()
    generator, traffic = random.Random(SEED), dict[str, list[tuple[str, str]]]()
    for source in cfg.tables:
        rows = read_rows(
            source,
            root=demo.root,
            downloads=demo.root / ".tonewatch" / "downloads",
            max_bytes=cfg.max_megabytes * 1_000_000,
        )
        records = list(rows_to_records(rows, source, cfg.labels))
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


def _live(
    demo: Demo,
    texts: dict[str, Iterator[tuple[str, str]]],
    *,
    hours: int,
    shifted: bool = False,
    labels: bool = False,
    until: Callable[[dict[str, Any]], bool] | None = None,
) -> None:
    """Send traffic for some hours and watch; with `until`, watch each hour and end when it is true.

    `shifted` drops two thirds of what is not negative in the topic SHIFTED; `labels` lets people label what
    was drawn, hour by hour.
    """
    for number in range(hours):
        for topic, traffic in texts.items():
            chosen = _shifted(traffic) if shifted and topic == SHIFTED else traffic
            _send_traffic(demo, topic, list(itertools.islice(chosen, TEXTS_PER_HOUR)))
        demo.clock.now += HOUR
        if until is None and number + 1 < hours:
            continue
        if labels:
            _watch(demo)  # draws
            _label(demo)
        summary = _watch(demo)
        if until and until(summary):
            break


def _watch(demo: Demo) -> dict[str, Any]:
    summary: dict[str, Any] = demo.command("watch", "--now", demo.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    for title in summary["alerts"]:
        demo.log(f"alert: {title}")
    if summary["rollback"]:
        demo.log(f"rolled back automatically: {summary['rollback']['reason']}")
    return summary


def _shifted(texts: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for number, (text, label) in enumerate(texts):
        if label == "negative" or number % 3 == 0:
            yield text, label


def _send_traffic(demo: Demo, topic: str, texts: Sequence[tuple[str, str]]) -> None:
    """Predict texts, and let volunteers correct what is wrong, as they do."""
    response = demo.post("/v1/predict", {"texts": [text for text, _ in texts], "topic": topic})
    for position, (prediction, (_, label)) in enumerate(zip(response["predictions"], texts, strict=True)):
        demo.truth[response["request"], position] = label
        if prediction["best"] != label and position % 2:
            demo.post("/v1/feedback", {"request": response["request"], "position": position, "label": label})


def _label(demo: Demo, *, most: int | None = None) -> None:
    """Label what was drawn, at most so many texts of a topic, as a person with a spreadsheet does."""
    table, done = demo.root / "to-label.csv", dict.fromkeys(TOPICS, 0)
    demo.command("labels", "export", "--out", str(table), "--force")
    if not table.exists():
        return
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        done[row["topic"]] += 1
        if most is None or done[row["topic"]] <= most:
            row["label"] = demo.truth[row["request"], int(row["position"])]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    demo.command("labels", "import", str(table), "--annotator", "ann")
    table.unlink()


def _say_shares(demo: Demo, when: str) -> None:
    """Log the share of `neutral` in each topic of the newest window, as it may be published."""
    demo.log(f"{when}; share of neutral:")
    for topic in TOPICS:
        points = demo.get(f"/v1/prevalence?topic={topic}")["points"]
        point = next(one for one in reversed(points) if one["label"] == "neutral")
        shown = f"not corrected: {point['reason']}"
        if point["low"] is not None:
            shown = f"{point['share']:.2f} [{point['low']:.2f}, {point['high']:.2f}], {point['method']}"
        demo.log(f"  {topic:<7}{shown} (raw {point['raw_share']:.2f})")


def _retrain_on_all(demo: Demo) -> None:
    """Train on the tables of all four topics, which are labelled now."""
    demo.change(collect={"sources": _sources(*TOPICS)})
    demo.log(_summary(demo.command("run", "--reason", "all four topics are labelled now", allowed=(0, 1))))
    _wait_for_champion(demo)


def _approve_bad_release(demo: Demo) -> None:
    """Reverse the labels, as a mistake in a table does; a person approves what was trained on them.

    The test texts have the same mistake, so a gate can miss it; where it does not, the person loosens it.
    """
    labels = demo.params()["collect"]["labels"]
    tables = [source for source in _sources(*FIRST_TABLES) if source["kind"] == "csv"]
    for source in tables:
        source["label_map"] = dict(zip(labels, labels[::-1], strict=True))
    demo.change(
        collect={"sources": tables}, finetune={"min_steps": MIN_STEPS_OF_BAD}, gate={"approval": "human"}
    )
    result = demo.command("run", "--reason", "new tables of labels", allowed=(0, 1))
    if not result.get("waiting"):
        demo.log(f"{_summary(result)}; a person loosens it")
        demo.change(gate=NO_GATE)
        result = demo.command("run", "--reason", "new tables of labels, a looser gate", allowed=(0, 1))
    if not result.get("waiting"):
        raise SystemExit(
            f"The bad release does not wait for approval: {result.get('error') or _summary(result)}"
        )
    name = result["document"]["release"]
    demo.command(
        "release", "approve", name, "--actor", "someone in a hurry", "--reason", "the metrics look fine"
    )
    demo.log(f"a person approved {name}, trained on tables whose labels are reversed")
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
