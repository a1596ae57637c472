"""A workspace with a user's table, a real Prefect server, and the command line as a process."""

import csv
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from service_process import end_process

WORDS = {
    "bad": ("bad", "awful", "dreadful", "poor", "boring", "ugly"),
    "fine": ("usual", "plain", "average", "common", "normal", "ordinary"),
    "good": ("good", "great", "lovely", "superb", "brilliant", "charming"),
}
THINGS = ("film", "book", "phone", "meal", "song", "hotel room", "train ride", "garden")
FRAMES = ("a {} {}", "what a {} {} that was", "I think it is a {} {}", "they sold us a {} {} again")

ROOT = Path(__file__).parents[2]

UNCOMPRESSED = "vocabulary_min_count: null, layers: 1.0, heads: 1.0, feed_forward: 1.0"
HALF = "vocabulary_min_count: 1, layers: 1.0, heads: 0.5, feed_forward: 0.5"

# A model that trains in seconds, and a gate that a perfect TF-IDF baseline cannot close.
TINY = (
    "collect.labels=[bad, fine, good]",
    "encoder.start=scratch",
    "encoder.scratch={vocabulary: 300, width: 32, layers: 1, heads: 2, feed_forward: 64}",
    "pretrain.steps=4",
    "finetune.min_steps=60",
    "finetune.epochs=1",
    "finetune.learning_rate=0.005",
    "finetune.eval_every=30",
    "finetune.save_every=20",
    f"compress.menu=[{{name: fp32, {UNCOMPRESSED}, int8: false}}, {{name: half-int8, {HALF}, int8: true}}]",
    "compress.importance_texts=64",
    "compress.benchmark_texts=32",
    "compress.recovery.steps=10",
    "compress.recovery.save_every=5",
    "compress.budget.max_f1_drop=0.2",
    "compress.budget.max_slice_drop=0.5",
    "compress.budget.min_agreement=0.8",
    "gate.against_champion=not_worse",
    "gate.champion_margin=0.3",
    "gate.slice_margin=0.3",
    "gate.forgetting_margin=0.3",
    "gate.baseline_margin=-1.0",
    "gate.min_macro_f1=0.3",
    "evaluate.resamples=100",
    "gate.resamples=100",
)


@dataclass
class CommandResult:
    """Hold the result of a command: exit code, output, and logged events."""

    code: int
    out: str
    events: list[dict] = field(repr=False)
    err: str = field(repr=False)

    @property
    def json(self):
        return json.loads(self.out)

    def stages(self, event):
        return [entry["stage"] for entry in self.events if entry.get("event") == event]


@dataclass
class Command:
    """Run `tonewatch --json` as a process in a workspace."""

    folder: Path
    environment: dict

    def __call__(self, *arguments, timeout=240):
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return CommandResult(process.returncode, out, events(err), err)

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments, "--json"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def killed_in(self, stage, *arguments):
        """Run until a stage starts, then kill the process group; return the stages that started."""
        process = self.start(*arguments)
        started = []
        for line in process.stderr:
            started += [
                entry["stage"]
                for entry in events(line)
                if entry["event"] == "stage.started" and entry["stage"] != "identity"
            ]
            if stage in started:
                break
        os.killpg(process.pid, signal.SIGKILL)
        rest = process.communicate()[1]
        assert process.returncode == -signal.SIGKILL, rest
        return started


def events(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def write_table(path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "verdict"])
        for label, words in WORDS.items():
            for word, thing, frame in itertools.product(words, THINGS, FRAMES):
                writer.writerow([frame.format(word, thing), label])


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """Start a real Prefect server once: each run would start its own."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = {**os.environ, "PREFECT_HOME": str(home), "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = (home / "server.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}/api"
    for _ in range(240):
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1)
            break
        except OSError:
            assert process.poll() is None, (home / "server.log").read_text()
            time.sleep(0.5)
    yield url
    # On a busy machine Prefect's server takes more than half a minute to end.
    end_process(process)
    log.close()


@pytest.fixture(scope="session")
def environment(prefect_server):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW", "TONEWATCH", "RAY_"))
    }
    # Git without the settings of the machine; `tonewatch`, which dvc.yaml calls, on the path.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **kept,
        "PATH": path,
        "PREFECT_API_URL": prefect_server,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }


@pytest.fixture(scope="session")
def command_in(environment):
    """Return a function that gives the command line in a folder."""
    return lambda folder: Command(folder, environment)


@pytest.fixture(scope="session")
def new_workspace(environment):
    """Return a function that makes a workspace with a user's table."""

    def make(folder, *, library=None):
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "texts.csv")
        command = Command(folder, {**environment, "PYTHONPATH": str(library)} if library else environment)
        assert command("init", ".", "--preset", "csv").code == 0
        params = folder / "params.yaml"
        text = params.read_text("utf-8").replace(
            "{text: text, label: label,", "{text: review, label: verdict,"
        )
        params.write_text(text, "utf-8")
        return command

    return make


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build the wheel, unpack it outside the checkout, and return its folder."""
    built, library = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("library")
    program = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(ROOT)]
    subprocess.run(program, check=True, capture_output=True)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(library)
    return library


@pytest.fixture(scope="session")
def tiny():
    """Return the arguments of `run` for a tiny model."""
    return [part for assignment in TINY for part in ("--set", assignment)]
