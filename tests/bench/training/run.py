"""How fast training is beside transformers' Trainer, on many texts, and on workers: part of `make bench`.

    tests/bench/training/run.py [--workspace FOLDER] [--texts N] [--rounds N] [--only finetune,words]

Needs the folders `data/splits` and `data/encoder` that `make run` leaves. Ours and the peer take turns, on
the same tokens, weights, batch size and threads. The seconds to a macro F1 are those of training, evaluations
left out; the score is that of the validation split, and the one to reach is ours at the end of its training,
less half a point. Prints figures and judges none.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from texts import BATCH, Material, read_material

ROOT = Path(__file__).resolve().parents[3]
THREADS = 2
# Of a macro F1: the noise of an end of a training.
TOLERANCE = 0.005
EVALUATIONS = 6
# The rate and the epochs of the example run_glue of transformers' documentation.
PEER_RATE, PEER_EPOCHS = 2e-5, 3.0
WORD_STEPS = 12
SCALES, SCALE_STEPS = (10_000, 1_000_000), 60
WORKER_STEPS = 60


def main() -> None:
    """Measure what is asked for."""
    asked = _arguments()
    if not (asked.workspace / "data" / "encoder" / "receipt.json").is_file():
        print(f"training: no encoder in {asked.workspace / 'data'} yet; type `make run`")
        return
    import torch

    from pipeline.base import logs

    logs.configure(json=False, debug=False)
    torch.set_num_threads(THREADS)
    parts: dict[str, Callable[[Material, int], None]] = {
        "finetune": _finetune,
        "words": _words,
        "scale": _scale,
        "workers": _workers,
    }
    with tempfile.TemporaryDirectory(prefix="tonewatch-training-") as folder:
        material = read_material(asked.workspace, Path(folder), asked.texts)
        print(f"{len(material.train.tokens):,} texts, batches of {BATCH}, {THREADS} threads", flush=True)
        for name in asked.only.split(",") if asked.only else parts:
            parts[name.strip()](material, asked.rounds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--texts", type=int, default=2000, help="train on so many")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="some of: finetune, words, scale, workers")
    return parser.parse_args()


def _say(what: str, figure: str) -> None:
    print(f"{what:<58}{figure}", flush=True)


def _spread(values: list[float], digits: int = 2) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def _finetune(material: Material, rounds: int) -> None:
    """Train ours to its end, then the peer until it is as good; twice the peer, by its rate and by ours."""
    import peers
    from transformers import DataCollatorWithPadding

    dataset = peers.labelled_dataset(material)
    collator = DataCollatorWithPadding(peers.tokenizer_of(material))
    rate = material.params.finetune.learning_rate
    ways = {"its rate": (PEER_RATE, PEER_EPOCHS), "our rate": (rate, PEER_EPOCHS)}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    for seed in range(1, rounds + 1):
        ours, target, share = _ours(material, seed)
        print(
            f"round {seed}: ours {ours:.0f} s to macro F1 {target:.3f}; {share:.2f} of the matmul rate",
            flush=True,
        )
        for name, (learning_rate, epochs) in ways.items():
            model = peers.classifier(material)
            every = max(1, len(dataset) // BATCH // EVALUATIONS)
            watched = peers.Watched(every, lambda one: _peer_score(one, material), target)
            settings = {"learning_rate": learning_rate, "num_train_epochs": epochs, "seed": seed}
            peers.train(model, dataset, collator, watched, str(material.place / "peer"), **settings)
            best = max(score for _, score in watched.scores)
            reached = "reached" if best >= target else f"not reached, {best:.3f}"
            print(f"round {seed}: Trainer with {name} {watched.seconds:.0f} s, {reached}", flush=True)
            ratios[name].append(watched.seconds / ours)
    for name, values in ratios.items():
        _say(
            f"fine-tuning to the same macro F1, Trainer with {name}",
            f"{_spread(values)} x our time, at least",
        )


def _ours(material: Material, seed: int) -> tuple[float, float, float]:
    """Train one epoch; return the seconds to the score to reach, it, and the share of the matmul rate."""
    from pipeline.core.train.precision import Precision
    from pipeline.core.train.throughput import measure_arithmetic

    objective = material.objective(seed)
    steps = objective.sampler.steps_per_epoch
    every = max(1, steps // EVALUATIONS)
    model = objective.build_model()
    arithmetic = measure_arithmetic(model, objective, Precision("float32", "cpu"), time.perf_counter)
    seconds, tokens, points = 0.0, 0, []
    for number, count, took in _timed_steps(model, objective, material, steps):
        seconds, tokens = seconds + took, tokens + count
        if number % every == 0 or number == steps:
            points.append((seconds, objective.evaluate(model)["score"]))
    target = points[-1][1] - TOLERANCE
    reached = next(when for when, score in points if score >= target)
    return reached, target, arithmetic.utilisation(tokens / seconds)


def _timed_steps(
    model: Any, objective: Any, material: Material, steps: int
) -> Iterator[tuple[int, int, float]]:
    """Yield the number, the tokens and the seconds of each step."""
    from pipeline.core.train.loop import Schedule, WorkerShard, fit
    from pipeline.core.train.optimizer import make_optimizer

    cfg = material.params.finetune
    optimizer = make_optimizer(model, weight_decay=cfg.weight_decay)
    schedule = Schedule(steps, cfg.learning_rate, cfg.warmup_ratio, cfg.max_grad_norm)
    training = fit(model, objective, optimizer, schedule, WorkerShard(0, 1, 64))
    for number in itertools.count(1):
        start = time.perf_counter()
        step = next(training, None)
        if step is None:
            return
        yield number, step.tokens, time.perf_counter() - start


def _peer_score(model: Any, material: Material) -> float:
    from torch import nn

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.train.objectives import predict_labels

    class Logits(nn.Module):
        """Return what a classifier of ours would."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, tokens: Any, mask: Any) -> Any:
            return self.model(input_ids=tokens, attention_mask=mask).logits

    predicted = predict_labels(Logits(), material.valid.tokens)
    return score(material.valid.labels, predicted, len(material.params.collect.labels))


def _words(material: Material, rounds: int) -> None:
    """Train both on masked words for a few steps in turn."""
    import peers
    from transformers import DataCollatorForLanguageModeling

    rows = peers.blocks(material)
    collator = DataCollatorForLanguageModeling(peers.tokenizer_of(material), mlm_probability=0.15)
    objective = material.word_objective()
    ours, theirs = [], []
    for _ in range(rounds):
        steps = list(_timed_steps(objective.build_model(), objective, material, WORD_STEPS + 1))[1:]
        ours.append(sum(count for _, count, _ in steps) / sum(took for _, _, took in steps))
        watched = peers.Watched(1, lambda _: 0.0, 2.0)
        model = peers.word_model(material)
        settings = {"max_steps": WORD_STEPS + 1, "learning_rate": 5e-5}
        peers.train(model, rows, collator, watched, str(material.place / "peer"), **settings)
        took = watched.scores[-1][0] - watched.scores[0][0]
        theirs.append(WORD_STEPS * BATCH * peers.ROW_TOKENS / took)
    _say("masked words, ours", f"{_spread(ours, 0)} tokens/s")
    _say("masked words, the recipe of run_mlm", f"{_spread(theirs, 0)} tokens/s")
    pairs = [one / other for one, other in zip(ours, theirs, strict=True)]
    _say("masked words, ours by the peer's", _spread(pairs))


def _scale(material: Material, rounds: int) -> None:
    """Train on few and many texts in turn, each time in a new process."""
    from scale import write_texts

    script = Path(__file__).with_name("scale.py")
    rates: dict[int, list[float]] = {texts: [] for texts in SCALES}
    own: dict[int, list[float]] = {texts: [] for texts in SCALES}
    for texts in SCALES:
        write_texts(material.place / f"{texts}", texts)
    for _, texts in itertools.product(range(rounds), SCALES):
        command = [
            sys.executable,
            str(script),
            str(material.place / f"{texts}"),
            str(texts),
            str(SCALE_STEPS),
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rate, megabytes = map(float, out.split()[-2:])
        rates[texts].append(rate)
        own[texts].append(megabytes)
    for texts in SCALES:
        _say(
            f"{texts:,} texts", f"{_spread(rates[texts], 0)} tokens/s, {_spread(own[texts], 0)} MB of its own"
        )


def _workers(material: Material, rounds: int) -> None:
    """Train with two workers and with one process in turn, on one cluster."""
    import workers

    from pipeline.io.security.ray_cluster import RayCluster

    start = time.perf_counter()
    RayCluster("local", material.place / "token").join()
    _say("start of the cluster, once a flow", f"{time.perf_counter() - start:.1f} s")
    figures: dict[int, list[tuple[float, float, float]]] = {0: [], 2: []}
    for number, count in itertools.product(range(rounds), figures):
        figures[count].append(workers.rate(material, count, WORKER_STEPS, f"{count}-{number}"))
    for count, name in ((0, "one process"), (2, "two workers")):
        _say(f"{name}, tokens/s", _spread([rate for rate, _, _ in figures[count]], 0))
        _say(f"{name}, share of the matmul rate", _spread([share for _, share, _ in figures[count]]))
        _say(f"{name}, seconds to its first step", _spread([start for _, _, start in figures[count]], 1))
    pairs = [two[0] / one[0] for one, two in zip(figures[0], figures[2], strict=True)]
    _say("two workers by one process", _spread(pairs))


if __name__ == "__main__":
    main()
