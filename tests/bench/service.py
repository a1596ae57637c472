"""The service beside its peer, `pipeline("text-classification")` behind FastAPI: part of `make bench`.

    python tests/bench/service.py [WORKSPACE] [--seconds 10] [--rounds 3]

Needs what `make run` leaves. Prints figures and judges none. Three services listen at once and are asked in
turn, so that a slow minute is everybody's: ours as it is, ours without guard and journal, and the peer on the
uncompressed parent at its best batch size.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from text_table import print_table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
TOGETHER = 32  # texts in a request
BODIES = 200
CONNECTIONS = 8
MOVE_SECONDS = 3.0
PEER_BATCHES = (1, 4, 8, 16, 32)
KINDS = ("ours", "bare", "peer")
NAMES = {"ours": "tonewatch serve", "bare": "without guard and journal", "peer": "transformers pipeline"}
# Counts, and the latencies of a whole run in microseconds, as one line that the caller reads.
DONE = """
local bodies = {}
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
local next = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = os.getenv("AUTHORIZATION")
request = function()
  next = next % #bodies + 1
  return wrk.format(nil, "/v1/predict", nil, bodies[next])
end
done = function(summary, latency)
  local e = summary.errors
  print(string.format("DONE %d %f %d %f %f", summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


def main() -> None:
    """Start the three, ask them in turn, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", nargs="?", type=Path, default=ROOT)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--port", type=int)
    parser.add_argument("--rate", type=float)
    asked = parser.parse_args()
    if asked.rate is not None:
        print(json.dumps(asyncio.run(_paced(asked.port, asked.workspace, asked.rate, asked.seconds))))
    elif asked.kind:
        _listen(asked.kind, asked.workspace.resolve(), asked.port)
    elif not (asked.workspace / "data" / "classifier" / "receipt.json").is_file():
        print("service: no classifier yet; type `make run`")
    else:
        with tempfile.TemporaryDirectory(prefix="tonewatch-service-") as folder:
            _measure(asked, _scratch(asked.workspace.resolve(), Path(folder)))


def _measure(asked: argparse.Namespace, scratch: Path) -> None:
    ready = [_ready_seconds(scratch) for _ in range(asked.rounds)]
    with contextlib.ExitStack() as stack:
        ports = {kind: stack.enter_context(_started(kind, scratch))[0] for kind in KINDS}
        for kind, port in ports.items():
            _tell(f"{NAMES[kind]} warms up")
            _load(port, scratch, min(3.0, asked.seconds))
        full: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
        for number in range(asked.rounds):
            _tell(f"round {number + 1} of {asked.rounds}")
            # Each is once the first, and once the one after the peer, which leaves the cores warm.
            for place in range(len(KINDS)):
                kind = KINDS[(number + place) % len(KINDS)]
                full[kind].append(_load(ports[kind], scratch, asked.seconds))
        rates = {kind: statistics.median(texts for texts, _ in found) for kind, found in full.items()}
        if not all(rates.values()):
            print(
                f"service: {asked.seconds:g} s are too few for {min(rates, key=rates.__getitem__)}; "
                "type a longer --seconds"
            )
            return
        _tell("half load")
        half = {
            kind: _half(port, scratch, rates[kind], asked.seconds * asked.rounds)
            for kind, port in ports.items()
        }
        alive = _health(ports["ours"], scratch, asked.seconds)
        _tell("half load, while the champion moves")
        with _moving(scratch) as moves:
            moved = _half(ports["ours"], scratch, rates["ours"], asked.seconds * asked.rounds)
    by_wrk = "wrk" if shutil.which("wrk") else "an httpx process"
    print(
        f"\nservice: requests of {TOGETHER} texts of the test split from {by_wrk}, {CONNECTIONS} at once, "
        f"{os.cpu_count()} cores for all."
    )
    print(
        f"Medians over {asked.rounds} rounds of {asked.seconds:g} s in which all take turns; "
        "half load comes at an even pace.\n"
    )
    heads = (
        "service",
        "texts/s",
        "x peer",
        "p50 ms, full",
        "p50 ms, half",
        "p99 ms, half",
        "p99/p50",
        "failed",
    )
    rows = [heads]
    for kind in KINDS:
        ratio = statistics.median(
            mine / peers for (mine, _), (peers, _) in zip(full[kind], full["peer"], strict=True)
        )
        p50, p99, failed = half[kind]
        middle = statistics.median(ms for _, ms in full[kind])
        figures = (
            f"{rates[kind]:,.0f}",
            f"{ratio:.1f}",
            f"{middle:.1f}",
            f"{p50:.1f}",
            f"{p99:.1f}",
            f"{p99 / p50:.1f}",
            f"{failed:.0f}",
        )
        rows.append((NAMES[kind], *figures))
    print_table(rows)
    costs = [1 - mine / bare for (mine, _), (bare, _) in zip(full["ours"], full["bare"], strict=True)]
    print(
        f"\nGuard and journal cost {statistics.median(costs):.1%} of the texts a second "
        f"({min(costs):.1%} to {max(costs):.1%} over the rounds). "
        f"Ready in {statistics.median(ready):.1f} s (of {_listed(ready)})."
    )
    print(f"The slowest of the answers of /healthz at full load took {alive:.0f} ms.")
    p50, p99, failed = moved
    print(
        f"While the champion moved {len(moves)} times at half load: p50 {p50:.1f} ms, p99 {p99:.1f} ms "
        f"({p99 / half['ours'][1]:.1f} times that without moves), {failed:.0f} failed."
    )


def _tell(what: str) -> None:
    print(f"service: {what}", file=sys.stderr, flush=True)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _scratch(workspace: Path, folder: Path) -> Path:
    """Copy what serving needs, so that the workspace's own journal stays as it is; raise its limits."""
    import yaml

    from pipeline.base.errors import ConfigError
    from pipeline.io.params_file import load_params

    chosen = workspace / "params.yaml"
    try:
        load_params(chosen)
    except ConfigError:  # of an older version; what is measured does not hang on it
        chosen = ROOT / "params.yaml"
    params = yaml.safe_load(chosen.read_text("utf-8"))
    params["serve"] |= {"requests_per_minute": 10_000_000, "concurrent_requests": 10_000}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    shutil.copyfile(workspace / "dvc.yaml", folder / "dvc.yaml")
    shutil.copytree(workspace / ".tonewatch" / "releases", folder / ".tonewatch" / "releases")
    for path in (workspace / ".tonewatch").glob("ledger.db*"):
        shutil.copyfile(path, folder / ".tonewatch" / path.name)
    for name in ("classifier", "splits"):
        shutil.copytree(workspace / "data" / name, folder / "data" / name)
    from pipeline.io import parquet

    texts = [record.text for record in parquet.read_texts(folder / "data" / "splits" / "test.parquet")]
    lines = [
        json.dumps({"texts": [texts[(number * TOGETHER + place) % len(texts)] for place in range(TOGETHER)]})
        for number in range(BODIES)
    ]
    (folder / "bodies").write_text("\n".join(lines) + "\n")
    (folder / "load.lua").write_text(DONE)
    return folder


@contextlib.contextmanager
def _started(kind: str, scratch: Path) -> Iterator[tuple[int, float]]:
    """Start a service as a process of its own; gives its port, and after how many seconds it was ready."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    ours = [
        sys.executable,
        "-P",
        "-m",
        "pipeline.serve.main",
        "--workspace",
        str(scratch),
        "--port",
        str(port),
    ]
    other = [sys.executable, __file__, str(scratch), "--kind", kind, "--port", str(port)]
    began = time.monotonic()
    log = (scratch / f"{kind}.log").open("w")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(ours if kind == "ours" else other, env=environment, stderr=log, stdout=log)
    try:
        while not _answers(port):
            assert process.poll() is None, (scratch / f"{kind}.log").read_text()
            time.sleep(0.02)
        yield port, time.monotonic() - began
    finally:
        if process.poll() is not None:
            print((scratch / f"{kind}.log").read_text(), file=sys.stderr)
        process.terminate()
        process.wait(30)
        log.close()


def _answers(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200)
    except OSError:
        return False


def _ready_seconds(scratch: Path) -> float:
    with _started("ours", scratch) as (_, seconds):
        return seconds


def _load(port: int, scratch: Path, seconds: float) -> tuple[float, float]:
    """Ask as fast as it answers; gives texts a second, and the median time of an answer in ms."""
    if shutil.which("wrk") is None:
        measured = json.loads(_asker(port, scratch, seconds, 1e9))
        assert measured["failed"] == 0, f"{measured['failed']} requests failed at full load"
        return measured["answered"] * TOGETHER / measured["took"], measured["p50"]
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "60s",
        "-s",
        str(scratch / "load.lua"),
    ]
    environment = {**os.environ, "BODIES": str(scratch / "bodies"), "AUTHORIZATION": _authorization(scratch)}
    out = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    requests, took, errors, p50, _ = (
        float(part) for part in next(line for line in out.splitlines() if line.startswith("DONE")).split()[1:]
    )
    assert errors == 0, out
    return requests * TOGETHER / took, p50


def _authorization(scratch: Path) -> str:
    """Return the header of the key that the service made for this machine; the others ask for none."""
    key = scratch / ".tonewatch" / "local.key"
    return f"Bearer {key.read_text().strip()}" if key.exists() else "none"


def _half(port: int, scratch: Path, rate: float, seconds: float) -> tuple[float, float, float]:
    """Send requests at half the highest rate.

    Returns median and 99th percentile in ms from the time each was due, and how many failed.
    """
    measured = json.loads(_asker(port, scratch, seconds, rate / TOGETHER / 2))
    return measured["p50"], measured["p99"], measured["failed"]


def _health(port: int, scratch: Path, seconds: float) -> float:
    """Give the slowest answer of /healthz in ms, while the service is asked as fast as it answers."""
    with ThreadPoolExecutor(1) as beside:
        load, slowest = beside.submit(_load, port, scratch, seconds), 0.0
        while not load.done():
            began = time.monotonic()
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).read()
            slowest = max(slowest, (time.monotonic() - began) * 1000)
            time.sleep(0.05)
        load.result()
    return slowest


@contextlib.contextmanager
def _moving(scratch: Path) -> Iterator[list[str]]:
    """Move the champion to and fro between two releases of equal files; yields each new champion."""
    from pipeline.base.config import Workspace
    from pipeline.io.registry.ledger import Ledger

    places = Workspace.of(scratch, {})
    ledger = Ledger(places.ledger)
    one = ledger.get(str(ledger.champion()))
    document = {name: value for name, value in one.record.items() if name not in ("release", "created")}
    other = ledger.add({**document, "identity": "the same once more"})
    shutil.copytree(places.releases / one.name, places.releases / other.name)
    moves: list[str] = []
    end = threading.Event()

    def move() -> None:
        while not end.wait(MOVE_SECONDS):
            moves.append(other.name if ledger.champion() == one.name else one.name)
            ledger.move(expected=ledger.champion(), target=moves[-1], actor="bench", reason="bench")

    with ThreadPoolExecutor(1) as beside:
        going = beside.submit(move)
        try:
            yield moves
        finally:
            end.set()
            going.result()


def _asker(port: int, scratch: Path, seconds: float, rate: float) -> str:
    command = [
        sys.executable,
        __file__,
        str(scratch),
        "--port",
        str(port),
        "--seconds",
        str(seconds),
        "--rate",
        str(rate),
    ]
    # What it says on its standard error stays on the screen.
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _bodies(scratch: Path) -> list[bytes]:
    return (scratch / "bodies").read_bytes().splitlines()


async def _paced(port: int, scratch: Path, rate: float, seconds: float) -> dict[str, float]:
    """Send requests at a fixed rate, whether or not the responses keep up.

    An infinite rate means one request after another on each connection.
    """
    import httpx

    times: list[float] = []
    failed, bodies = 0, _bodies(scratch)
    headers = {"Content-Type": "application/json", "Authorization": _authorization(scratch)}
    limits = httpx.Limits(max_connections=None if rate < 1e6 else CONNECTIONS, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=limits) as client:
        began = time.monotonic()

        async def ask(number: int, due: float) -> None:
            nonlocal failed
            body = bodies[number % len(bodies)]
            try:
                failed += (await client.post("/v1/predict", content=body, headers=headers)).status_code != 200
            except httpx.TransportError:  # a service that fails may close the connection first
                failed += 1
            times.append((time.monotonic() - due) * 1000)

        async def line(first: int) -> None:
            number = first
            while time.monotonic() - began < seconds:
                await ask(number, time.monotonic())
                number += CONNECTIONS

        async with asyncio.TaskGroup() as group:
            if rate > 1e6:
                for first in range(CONNECTIONS):
                    group.create_task(line(first))
            else:
                for number in range(round(seconds * rate)):
                    due = began + number / rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    group.create_task(ask(number, due))
        took = time.monotonic() - began
    times.sort()
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    return {"answered": len(times) - failed, "failed": failed, "took": took, "p50": p50, "p99": p99}


def _listen(kind: str, scratch: Path, port: int) -> None:
    import uvicorn

    app = _bare(scratch) if kind == "bare" else _peer(scratch)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def _bare(scratch: Path) -> Any:
    """Make the service without what guards and keeps: the same models of bodies, batches and champion."""
    from fastapi import FastAPI

    from pipeline.base.config import Workspace
    from pipeline.core.clean.rules import clean_text
    from pipeline.inference.champion import ChampionSource
    from pipeline.io.params_file import load_params
    from pipeline.serve.api.handlers import _prediction
    from pipeline.serve.api.schemas import PredictRequest, PredictResponse
    from pipeline.serve.build import MAX_THREADS
    from pipeline.serve.runtime.batcher import Batcher
    from pipeline.serve.runtime.champion import ChampionHolder
    from pipeline.serve.runtime.metrics import ServiceMetrics

    places = Workspace.of(scratch, {})
    cfg = load_params(places.params).serve
    champion = ChampionHolder(
        ChampionSource(places, threads=MAX_THREADS), ServiceMetrics(), lambda: datetime.now(UTC)
    )
    champion.refresh()
    batcher = Batcher(
        champion.serving,
        batch_size=cfg.max_batch_size,
        wait_ms=cfg.max_batch_wait_ms,
        max_queued=cfg.max_queued_texts,
        coming=lambda: False,
    )
    cleaning = ThreadPoolExecutor(1)

    @contextlib.asynccontextmanager
    async def lived(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batcher.run())
        yield
        task.cancel()

    app = FastAPI(lifespan=lived)

    async def predict(asked: PredictRequest) -> PredictResponse:
        cleaned = await asyncio.get_running_loop().run_in_executor(
            cleaning, lambda: [clean_text(text)[0] for text in asked.texts]
        )
        batch = await batcher.predict("", cleaned)
        predictions = [
            _prediction(batch, batch.start + row, item.text) for row, item in enumerate(asked.items)
        ]
        return PredictResponse(
            request="",
            release=batch.release.name,
            data_version=batch.release.data_version,
            model=batch.release.model_digest[:16],
            predictions=predictions,
        )

    app.post("/v1/predict", response_model=PredictResponse)(predict)
    app.get("/readyz")(lambda: {})
    return app


def _peer(scratch: Path) -> Any:
    """Make what most people would: transformers' pipeline on the teacher, in a thread, behind FastAPI."""
    import menu
    from fastapi import FastAPI

    from pipeline.base.config import Profile
    from pipeline.io.params_file import load_params
    from pipeline.io.security.ray_cluster import RayCluster
    from pipeline.serve.api.schemas import Prediction, PredictRequest, PredictResponse
    from pipeline.stages.compress import open_factory
    from pipeline.stages.context import TrainingContext

    params = load_params(scratch / "params.yaml")
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=menu.THREADS, stage_minutes=30)
    labels = list(params.collect.labels)
    factory = open_factory(
        scratch / "data" / "classifier",
        scratch / "data" / "splits",
        labels=labels,
        max_tokens=params.encoder.max_tokens,
        cfg=params.compress,
        training=TrainingContext(
            params.seed, profile, scratch, scratch, "", RayCluster("local", scratch / "token")
        ),
    )
    answer: Any = menu._peer(factory)
    some = [text for body in _bodies(scratch)[:4] for text in json.loads(body)["texts"]]
    best = min(PEER_BATCHES, key=lambda size: min(_seconds(lambda: answer(some, size)) for _ in range(2)))
    print(f"the peer answers best by {best}", file=sys.stderr)
    pool, app = ThreadPoolExecutor(1), FastAPI()

    async def predict(asked: PredictRequest) -> PredictResponse:
        found = await asyncio.get_running_loop().run_in_executor(pool, answer, asked.texts, best)
        predictions = [
            Prediction(
                label=one["label"],
                best=one["label"],
                uncertain=False,
                cut=False,
                probabilities=dict.fromkeys(labels, one["score"]),
            )
            for one in found
        ]
        return PredictResponse(request="", release="", data_version="", model="", predictions=predictions)

    app.post("/v1/predict", response_model=PredictResponse)(predict)
    app.get("/readyz")(lambda: {})
    return app


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    main()
