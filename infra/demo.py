"""The whole story on one laptop: `make demo`. Real texts, the real line, the real service; only the clock is simulated.

Train on movie texts, serve, let tweets arrive as traffic; drift is found and named, a retrain learns from what people said of
the answers, the gate lets it through, it is promoted while it serves. Then a bad release slips in by hand, quality falls, and it
is rolled back by itself. Ends with the timeline and the address of the page.
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
BATCH, TEXTS_AN_HOUR = 50, 200
ENOUGH = 1100  # true labels, before the story trains on them

# A line short enough to be run three times; the floors are those of one source, which is all it begins with.
RECIPE: dict[str, dict[str, Any]] = {
    "validate": {"min_label_share": 0.03},
    "pretrain": {"steps": 20, "eval_texts": 200},
    "finetune": {"min_steps": 240, "eval_every": 120},
    "evaluate": {"resamples": 300},
    "gate": {"min_macro_f1": 0.45, "abilities": {}, "max_calibration_error": 0.2, "resamples": 1000},
    "schedule": {"retrain_on_alert": True},
}
MENU = ("fp32", "trimmed-int8")
TIMED_TEXTS = 32


@dataclass
class Clock:
    """Tell the time of the story."""

    now: datetime

    def __call__(self) -> datetime:
        """Give it."""
        return self.now


@dataclass
class Story:
    """Hold the workspace, the clock, and what happened when."""

    root: Path
    clock: Clock
    address: str = ""
    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        """Say what happened, at the story's time and at ours."""
        line = f"{self.clock.now:%a %H:%M}  +{time.monotonic() - self.began:4.0f} s  {what}"
        self.lines.append(line)
        print(line, flush=True)

    def command(self, *arguments: str, allowed: Sequence[int] = (0,)) -> Any:
        """Run `tonewatch` in the workspace; give its answer."""
        command = [sys.executable, "-m", "pipeline", *arguments, "--json", "--workspace", str(self.root)]
        # dvc.yaml calls `tonewatch`, which `make` puts on no path.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            command,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            check=False,
        )
        if ended.returncode not in allowed:
            raise SystemExit(
                f"tonewatch {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}"
            )
        return json.loads(ended.stdout)

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
        """Ask the service."""
        asked = urllib.request.Request(
            self.address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def get(self, path: str) -> Any:
        """Read from the service."""
        with urllib.request.urlopen(self.address + path, timeout=60) as answer:
            return json.load(answer)

    def ready(self) -> bool:
        """Say whether the service can answer."""
        try:
            return bool(self.get("/readyz")["ready"])
        except OSError:
            return False


def main() -> None:
    """Tell the story in a fresh folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder for the story's workspace; it must not exist")
    asked = parser.parse_args()
    story = Story(asked.folder.resolve(), Clock(datetime.now(UTC).replace(minute=0, second=0, microsecond=0)))
    _prepare(story)
    made = story.command("run", "--reason", "the first model, of movie texts")
    story.tell(f"{_released(made)}: trained on movie texts alone")
    texts = _texts(story)
    with _serving(story):
        alerts = _hours(story, texts["movie"], hours=3, told=0.0, until=lambda _: False)
        story.tell(f"three hours of movie texts; alerts: {alerts}")
        _hours(
            story,
            texts["tweet"],
            hours=14,
            told=0.8,
            until=lambda seen: seen["retrain"] and seen["labels"] >= ENOUGH,
        )
        story.tell(_released(story.command("run", "--reason", "the texts are tweets now", allowed=(0, 1))))
        _in_effect(story)
        _hours(story, texts["tweet"], hours=1, told=0.5, until=lambda _: False)
        _slip_in_a_bad_release(story)
        _hours(story, texts["tweet"], hours=6, told=0.8, until=lambda seen: bool(seen["rollback"]))
        _in_effect(story)
        _end(story)


def _prepare(story: Story) -> None:
    subprocess.run(
        [sys.executable, "-m", "pipeline", "init", str(story.root)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    params = story.params()
    # Tweets come later, from the people who use the service.
    wanted = ("movie", "feedback", "replay")
    movies = [source for source in params["collect"]["sources"] if source["name"] in wanted]
    menu = [recipe for recipe in params["compress"]["menu"] if recipe["name"] in MENU]
    # How fast each variant is decides nothing here.
    story.change(
        collect={"sources": movies}, compress={"menu": menu, "benchmark_texts": TIMED_TEXTS}, **RECIPE
    )


def _released(made: dict[str, Any]) -> str:
    if "document" not in made:
        return f"the gate says no. {made['error'].partition(' See ')[0]}"
    document = made["document"]
    low, high = document["intervals"]["macro_f1"]
    versus = document["comparison"]
    gain = (
        f", {versus['macro_f1']['difference']:+.3f} against {versus['champion']} on the same texts"
        if versus
        else ""
    )
    figure = f"macro F1 {document['metrics']['macro_f1']:.3f} [{low:.3f}, {high:.3f}] on {document['evaluation']['texts']} texts"
    return f"{document['release']} in service (data {document['data_version']}, {figure}{gain})"


def _texts(story: Story) -> dict[str, Iterator[tuple[str, str]]]:
    """Give texts with their labels that no model of the story was trained on: the movie texts of the validation split, and all tweets."""
    from pipeline.io import parquet
    from pipeline.io.params_file import load_params
    from pipeline.io.sources import readers
    from pipeline.io.sources import rows as records

    whole = load_params(CHECKOUT / "params.yaml").collect
    source = next(source for source in whole.tables if source.name == "tweet")
    rows = readers.read_rows(
        source,
        root=story.root,
        downloads=story.root / ".tonewatch" / "downloads",
        max_bytes=whole.max_megabytes * 1_000_000,
    )
    tweets = [(record.text, record.label) for record in records.rows_to_records(rows, source, whole.labels)]
    movies = [
        (record.text, record.label)
        for record in parquet.read_texts(story.root / "data" / "splits" / "valid.parquet")
    ]
    # In their files the texts stand sorted by what they say; traffic does not.
    chance = random.Random(SEED)
    chance.shuffle(movies)
    chance.shuffle(tweets)
    return {"movie": iter(movies), "tweet": itertools.cycle(tweets)}


@contextlib.contextmanager
def _serving(story: Story) -> Iterator[None]:
    """Serve the workspace as `tonewatch serve` does, but by the story's clock."""
    import uvicorn

    from pipeline.base.config import Workspace
    from pipeline.serve.main import build_app

    places = Workspace.of(story.root, os.environ)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    story.address = f"http://127.0.0.1:{port}"
    server = uvicorn.Server(
        uvicorn.Config(build_app(places, host="127.0.0.1", now=story.clock), port=port, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _wait(lambda: server.started and story.ready(), "the service did not start")
    story.tell(f"serving at {story.address}")
    yield
    server.should_exit = True
    thread.join(30)


def _hours(
    story: Story,
    texts: Iterator[tuple[str, str]],
    *,
    hours: int,
    told: float,
    until: Callable[[dict[str, Any]], bool],
) -> int:
    """Let so many hours of traffic pass, each watched as it ends, until what was seen is what is waited for; counts the alerts."""
    alerts = 0
    for _ in range(hours):
        _traffic(story, list(itertools.islice(texts, TEXTS_AN_HOUR)), told)
        story.clock.now += HOUR
        seen = story.command("watch", "--now", story.clock.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        alerts += len(seen["alerts"])
        for title in seen["alerts"]:
            story.tell(f"alert: {title}")
        if seen["rollback"]:
            story.tell(f"rolled back by itself: {seen['moved']['reason']}")
        if until(seen):
            break
    return alerts


def _traffic(story: Story, texts: Sequence[tuple[str, str]], told: float) -> None:
    begun = story.clock.now
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        story.clock.now = begun + HOUR * start / len(texts)
        answer = story.post("/v1/predict", {"texts": [text for text, _ in part], "topic": "reviews"})
        for position, (_, label) in enumerate(part[: round(len(part) * told)]):
            story.post("/v1/feedback", {"request": answer["request"], "position": position, "label": label})
    story.clock.now = begun


def _slip_in_a_bad_release(story: Story) -> None:
    """Turn the labels of the sources round, as a slip in a table does; when the gate says no, let a person open it and wave it through."""
    collect = story.params()["collect"]
    tables = [source for source in collect["sources"] if source["kind"] != "feedback"]
    story.change(collect={"labels": collect["labels"][::-1], "sources": tables})
    story.tell(_released(story.command("run", "--reason", "a new table of labels", allowed=(0, 1))))
    story.change(gate={"approval": "human", "forgetting_margin": 1.0, "slice_margin": 1.0})
    made = story.command("run", "--reason", "a new table of labels, with a wider gate", allowed=(0, 1))
    if not made.get("waiting"):
        raise SystemExit(
            f"The bad release does not wait for a person: {made.get('error') or _released(made)}"
        )
    name = made["document"]["release"]
    story.command(
        "release", "approve", name, "--actor", "someone in a hurry", "--reason", "the figures look fine"
    )
    story.tell(f"somebody opened the gate; the same again is {name}, and was approved by hand")
    _in_effect(story)


def _in_effect(story: Story) -> None:
    champion = story.command("release", "show")["release"]
    _wait(lambda: story.get("/v1/release")["release"] == champion, f"{champion} did not come into effect")
    story.tell(f"the service answers with {champion}, no restart")


def _wait(done: Callable[[], bool], why: str) -> None:
    for _ in range(200):
        if done():
            return
        time.sleep(0.1)
    raise SystemExit(f"{why} within 20 s")


def _end(story: Story) -> None:
    print("\nThe story:\n" + "\n".join(story.lines))
    print(f"\nThe page: {story.address}/   (workspace: {story.root})")
    if sys.stdin.isatty():
        with contextlib.suppress(KeyboardInterrupt):
            input("It is served until you press Enter. ")


if __name__ == "__main__":
    main()
