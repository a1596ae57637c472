"""The table of starts, with and without pretraining, on the validation split: part of `make bench`.

    tests/bench/starts.py [--workspace W] [--texts N] [--steps N] [--seeds 1,2,3] [--only "MiniLM; scratch"]

Needs the folder `data/splits` that `make run` leaves. Pretraining reads all training texts; fine-tuning the
first N by a hash of their id. Macro F1 is that of the validation split, which also chooses the step whose
weights are kept: it compares starts, and promises nothing of new texts. Its interval, and that of the gain
by pretraining, is a bootstrap over groups of texts, of the mean over the seeds. Prints figures and judges
none.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sampled_texts
from text_table import print_table
from timed_training import timed_training

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"start": "scratch"}
# What each row changes: the section `encoder`, the steps of pretraining, and the section `finetune`.
STARTS: Mapping[str, tuple[dict[str, Any], int, dict[str, Any]]] = {
    "scratch": (SMALL, 0, {"learning_rate": 1e-3}),
    "scratch, pretrained": (SMALL, 1000, {"learning_rate": 1e-3}),
    "MiniLM": ({}, 0, {}),
    "MiniLM, pretrained": ({}, 40, {}),
    "all-mpnet-base-v2": ({"preset": "mpnet"}, 0, {"learning_rate": 4e-5}),
}
PRETRAINED = ", pretrained"
HEADS = (
    "start",
    "macro F1",
    "interval",
    "gain by pretraining",
    "parameters",
    "texts/s",
    "pretrain s",
    "finetune s",
)


def main() -> None:
    """Train from each start and print a row for each."""
    asked = _arguments()
    splits = asked.workspace / "data" / "splits"
    if not (splits / "receipt.json").is_file():
        print(f"starts: no splits in {splits.parent} yet; type `make run`")
        return
    from pipeline.base import logs

    logs.configure(json=False, debug=False)
    names = [name.strip() for name in asked.only.split(";")] if asked.only else list(STARTS)
    seeds = list(map(int, asked.seeds.split(",")))
    with tempfile.TemporaryDirectory(prefix="tonewatch-starts-") as folder:
        bench = _Bench(asked.workspace, Path(folder), asked.steps, asked.threads)
        bench.texts, bench.valid = sampled_texts.take(splits, bench.place / "splits", asked.texts)
        rows: list[Sequence[str]] = [HEADS]
        for name in names:
            rows.append(bench.row(name, seeds))
            print("  ".join(rows[-1]), flush=True)
    print(f"\n{bench.texts:,} texts to train on, seeds {asked.seeds}, {asked.threads} threads\n")
    print_table(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--texts", type=int, default=None, help="train on so many")
    parser.add_argument(
        "--steps", type=int, default=None, help="of fine-tuning, in place of those of params.yaml"
    )
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default="", help=f"some of: {'; '.join(STARTS)}; a semicolon divides them")
    return parser.parse_args()


@dataclass
class _Bench:
    """Hold the texts, and what each start has predicted."""

    workspace: Path
    place: Path
    steps: int | None
    threads: int
    texts: int = 0
    valid: list[Any] = field(default_factory=list)
    counts: dict[str, list[Any]] = field(default_factory=dict)

    def row(self, name: str, seeds: Sequence[int]) -> list[str]:
        """Pretrain and fine-tune with each seed, and return the figures."""
        from pipeline.io.params_file import load_params

        params = load_params(self.workspace / "params.yaml")
        encoder, steps, changes = STARTS[name]
        trained = [self._train(name, seed, _encoder(params, encoder), steps, changes) for seed in seeds]
        self.counts[name] = [sampled_texts.confusion(one.classifier, self.valid, params) for one in trained]
        score, (low, high) = sampled_texts.macro_f1(self.counts[name], params)
        count = len(trained)
        pretrained, finetuned = (
            sum(getattr(one, part) for one in trained) / count for part in ("before", "after")
        )
        rate = sum(one.texts / one.after for one in trained) / count
        return [
            name,
            f"{score:.3f}",
            f"[{low:.3f}, {high:.3f}]",
            self._gain(name, params),
            f"{trained[0].parameters:,}",
            f"{rate:,.0f}",
            f"{pretrained:.0f}",
            f"{finetuned:.0f}",
        ]

    def _gain(self, name: str, params: Any) -> str:
        without = name.removesuffix(PRETRAINED)
        if name == without or without not in self.counts:
            return "-"
        gain, (low, high) = sampled_texts.gain(self.counts[name], self.counts[without], params)
        return f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]"

    def _train(
        self, name: str, seed: int, encoder: Any, steps: int, changes: Mapping[str, Any]
    ) -> "_Trained":
        from pipeline.base.config import FinetuneConfig
        from pipeline.core.methods.checks import FinetuningPlan
        from pipeline.io.params_file import load_params
        from pipeline.stages.finetune import finetune
        from pipeline.stages.pretrain import pretrain

        params = load_params(self.workspace / "params.yaml")
        if self.steps:
            every = max(1, self.steps // 4)
            changes = {**changes, "min_steps": self.steps, "epochs": 1, "eval_every": every}
        cfg = FinetuneConfig.model_validate({**params.finetune.model_dump(), **changes})
        home = self.place / f"{name}-{seed}"
        downloads = self.workspace / ".tonewatch" / "downloads"
        training, seconds = timed_training(
            home, seed, threads=self.threads, clock=time.perf_counter, downloads=downloads
        )
        start = pretrain(
            self.workspace / "data" / "splits",
            home / "encoder",
            encoder=encoder,
            cfg=params.pretrain.model_copy(update={"steps": steps}),
            limits=params.validation,
            training=training,
            finetuning=FinetuningPlan(cfg, params.collect.labels, encoder.max_tokens),
        )
        before = sum(seconds)
        receipt = finetune(
            self.place / "splits",
            home / "encoder",
            home / "classifier",
            labels=params.collect.labels,
            max_tokens=encoder.max_tokens,
            long_texts=encoder.long_texts,
            cfg=cfg,
            training=training,
        )
        texts = receipt.counts["steps"] * cfg.batch_size
        return _Trained(home / "classifier", start.counts["parameters"], before, sum(seconds) - before, texts)


@dataclass(frozen=True)
class _Trained:
    """Hold a classifier, the size of its encoder, the seconds before and in fine-tuning, and its texts."""

    classifier: Path
    parameters: int
    before: float
    after: float
    texts: int


def _encoder(params: Any, changes: Mapping[str, Any]) -> Any:
    """Return the section `encoder` with changes, or that of a preset."""
    from pipeline.base.config.parsing import parse_params
    from pipeline.operations.workspace import params_of

    if "preset" in changes:
        return parse_params(params_of(changes["preset"])).encoder
    return params.encoder.model_copy(update=dict(changes))


if __name__ == "__main__":
    main()
