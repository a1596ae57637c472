"""The table of methods of fine-tuning on the validation split: part of `make bench`.

    tests/bench/methods.py [--workspace W] [--texts N] [--steps N] [--seeds 20] [--only "lora; full, fgm"]

Needs the folders `data/splits` and `data/encoder` that `make run` leaves. The default is all training texts
and the steps of params.yaml; with --texts it takes the first N by a hash of their id. Macro F1 is that of the
validation split, which also chooses the step whose weights are kept: it compares methods, and promises
nothing of new texts. Its interval is a bootstrap over groups of texts. Prints figures and judges none.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sampled_texts
from text_table import print_table
from timed_training import timed_training

ROOT = Path(__file__).resolve().parents[2]
THREADS = 2
# What each row changes in the section `finetune`: few weights learn at a higher rate.
METHODS: Mapping[str, dict[str, Any]] = {
    "full": {},
    "head": {"method": "head", "learning_rate": 5e-3},
    "top:2": {"method": "top:2", "learning_rate": 3e-4},
    "lora": {"method": "lora", "learning_rate": 1e-3},
    "adalora": {"method": "adalora", "learning_rate": 2e-3},
    "contrastive": {"method": "contrastive"},
    "full, layer decay": {"layer_decay": 0.9},
    "full, smoothing": {"label_smoothing": 0.1},
    "full, r-drop": {"r_drop": 1.0, "dropout": 0.1},
    "full, fgm": {"adversarial": "fgm"},
    "full, freelb": {"adversarial": "freelb"},
    # MiniLM reads no case, and its package has no word head.
    "full, copies": {"augment": {"typos": 0.3, "case": 0.0, "words": 0.0}},
    "full, as long": {},
    "full, ema": {"average": "ema"},
    "full, last": {"average": "last"},
    "3 seeds, median": {"seeds": [1, 2, 3]},
    "3 seeds, ensemble": {"seeds": [1, 2, 3], "combine": "ensemble"},
    "lora, fgm, ema": {"method": "lora", "learning_rate": 1e-3, "adversarial": "fgm", "average": "ema"},
}
# Copies make an epoch longer: their peer has as many steps, and the texts alone.
LONGER = {"full, as long": 1.3}
HEADS = ("method", "seed", "macro F1", "interval", "trained", "share", "texts/s", "seconds")


def main() -> None:
    """Train each method and print a row for each."""
    asked = _arguments()
    data = asked.workspace / "data"
    if not (data / "encoder" / "receipt.json").is_file():
        print(f"methods: no encoder in {data} yet; type `make run`")
        return
    from pipeline.base import logs

    logs.configure(json=False, debug=False)
    names = [name.strip() for name in asked.only.split(";")] if asked.only else list(METHODS)
    with tempfile.TemporaryDirectory(prefix="tonewatch-methods-") as folder:
        bench = _Bench(asked.workspace, data / "encoder", Path(folder), asked.steps)
        bench.texts, bench.valid = sampled_texts.take(data / "splits", bench.place / "splits", asked.texts)
        rows = [list(HEADS)]
        for name in names:
            for seed in map(int, asked.seeds.split(",")):
                rows.append(bench.row(name.strip(), seed))
                print("  ".join(rows[-1]), flush=True)
    print(
        f"\n{bench.texts:,} texts to train on, {bench.steps} steps of {bench.batch_size}, {THREADS} threads\n"
    )
    print_table(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--texts", type=int, default=None, help="train on so many")
    parser.add_argument("--steps", type=int, default=None, help="in place of those of params.yaml")
    parser.add_argument("--seeds", default="20")
    parser.add_argument("--only", default="", help=f"some of: {'; '.join(METHODS)}; a semicolon divides them")
    return parser.parse_args()


@dataclass
class _Bench:
    """Hold what all methods train on, and how long."""

    workspace: Path
    encoder: Path
    place: Path
    asked_steps: int | None
    texts: int = 0
    steps: int = 0
    batch_size: int = 0
    valid: list[Any] = field(default_factory=list)

    def row(self, name: str, seed: int) -> list[str]:
        """Train by one method, and return its figures."""
        from pipeline.base.config import FinetuneConfig
        from pipeline.io.params_file import load_params
        from pipeline.stages.finetune import finetune

        params = load_params(self.workspace / "params.yaml")
        changes = dict(METHODS[name])
        if self.asked_steps:
            steps = round(self.asked_steps * LONGER.get(name, 1))
            changes |= {"min_steps": steps, "epochs": 1, "eval_every": max(1, steps // 4)}
        cfg = FinetuneConfig.model_validate({**params.finetune.model_dump(), **changes})
        training, seconds = timed_training(
            self.place / f"{name}-{seed}", seed, threads=THREADS, clock=time.perf_counter
        )
        out = self.place / f"{name}-{seed}" / "classifier"
        start = time.perf_counter()
        receipt = finetune(
            self.place / "splits",
            self.encoder,
            out,
            labels=params.collect.labels,
            max_tokens=params.encoder.max_tokens,
            long_texts=params.encoder.long_texts,
            cfg=cfg,
            training=training,
            rules={source.name: source.ratings for source in params.collect.tables if source.ratings},
        )
        whole = time.perf_counter() - start
        self.steps, self.batch_size = receipt.counts["steps"], cfg.batch_size
        counts_GLL = sampled_texts.confusion(out, self.valid, params)
        score, (low, high) = sampled_texts.macro_f1([counts_GLL], params)
        rate = self.steps * cfg.batch_size * len(seconds) / sum(seconds)
        trained = receipt.counts["trained_parameters"]
        share = f"{receipt.figures['trained_share']:.2%}"
        figures = [f"{score:.3f}", f"[{low:.3f}, {high:.3f}]", f"{trained:,}", share]
        return [name, str(seed), *figures, f"{rate:,.0f}", f"{whole:.0f}"]


if __name__ == "__main__":
    main()
