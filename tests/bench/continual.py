"""The table of continual learning: a source after another, with and without a replay of those before.

    tests/bench/continual.py [--workspace FOLDER] [--encoder FOLDER] [--texts N] [--epochs N] [--share 0.25,…]

A first model learns from one source; then a source a step comes in, and the model of the step before goes on:
`naive` on the new texts alone, `replay` on them and a bounded replay, each in a chain of its own. `joint`
starts from the encoder with all texts so far, the ceiling that costs most. Needs `data/splits` with all
sources, and an encoder folder (config.json, model.safetensors, tokenizer.json; default: that of `make run`).
Macro F1 is that of test texts; "before" is the model that a step starts from, and the difference, its
interval and its state are those of the gate's check of forgetting. All sources so far are validated on.
Prints figures and judges none.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from text_table import print_table
from timed_training import timed_training

ROOT = Path(__file__).resolve().parents[2]
ORDER = ("movie", "tweet", "nyt", "amazon")
HEADS = ("step", "method", "source", "texts", "before", "after", "difference", "interval", "shown")
COSTS = ("step", "method", "new", "replayed", "texts trained on", "of naive", "seconds", "of naive")


def main() -> None:
    """Train each chain and print a row for each step and past source."""
    asked = _arguments()
    from pipeline.base import logs

    logs.configure(json=False, debug=False)
    encoder = asked.encoder or asked.workspace / "data" / "encoder"
    if not (encoder / "config.json").is_file():
        print(f"continual: no encoder in {encoder} yet; type `make run`")
        return
    with tempfile.TemporaryDirectory(prefix="tonewatch-continual-") as folder:
        bench = _Bench(asked, Path(folder), encoder)
        bench.prepare()
        methods = {"naive": 0.0} | {f"replay {share}": float(share) for share in asked.share.split(",")}
        bench.run(methods)
    _print(HEADS, bench.rows)
    _print(COSTS, bench.costs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=ROOT)
    parser.add_argument("--encoder", type=Path, default=None)
    parser.add_argument(
        "--texts", type=int, default=None, help="train on so many of each source, validate on a fifth"
    )
    parser.add_argument("--epochs", type=int, default=2)
    # On a busy machine several threads wait for each other.
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--order", default=",".join(ORDER))
    parser.add_argument("--share", default="0.25", help="of replayed texts; a comma divides several")
    parser.add_argument("--no-joint", action="store_true")
    return parser.parse_args()


@dataclass
class _Bench:
    """Hold what was asked, where the trainings lie, and the rows of the tables."""

    asked: argparse.Namespace
    place: Path
    published: Path
    rows: list[list[str]] = field(default_factory=list)
    costs: list[list[str]] = field(default_factory=list)
    texts: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    predicted: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    @property
    def params(self) -> Any:
        from pipeline.io.params_file import load_params

        return load_params(self.asked.workspace / "params.yaml")

    def prepare(self) -> None:
        """Read the texts of each source and split, and copy the encoder, which is not pretrained."""
        from pipeline.base.records import Receipt
        from pipeline.io import files, parquet

        for side in ("train", "valid", "test"):
            records = parquet.read_texts(self.asked.workspace / "data" / "splits" / f"{side}.parquet")
            records.sort(key=lambda one: hashlib.sha256(one.id.encode()).hexdigest())
            for source in self.asked.order.split(","):
                most = {"train": self.asked.texts, "valid": self.asked.texts and self.asked.texts // 5}
                of_source = [one for one in records if one.source == source][: most.get(side)]
                self.texts.setdefault(source, {})[side] = of_source
        with files.staging_dir(self.place / "encoder") as staging:
            for name in ("config.json", "model.safetensors", "tokenizer.json"):
                shutil.copyfile(self.published / name, staging / name)
            files.write_receipt(staging, Receipt("pretrain"))

    def run(self, methods: Mapping[str, float]) -> None:
        """Train the first model, then each chain on one source more at a time."""
        order = self.asked.order.split(",")
        first = self._train("first", order[:1], None, 0.0)
        joint = [] if self.asked.no_joint else ["joint"]
        champions = dict.fromkeys([*methods, *joint], first)
        for number in range(1, len(order)):
            naive: _Trained | None = None
            for method in champions:
                before = champions[method]
                start = None if method == "joint" else before
                after = self._train(
                    f"{method}-{number}", order[: number + 1], start, methods.get(method, 0.0)
                )
                naive = naive or after
                self._cost(order[number], method, after, naive)
                self._compare(order, number, method, (before, after))
                champions[method] = after

    def _train(self, name: str, sources: Sequence[str], start: "_Trained | None", share: float) -> "_Trained":
        from pipeline.stages.finetune import finetune

        splits, out = self.place / name / "splits", self.place / name / "classifier"
        self._write(splits, sources)
        # CPU seconds: others use the machine too.
        training, seconds = timed_training(
            self.place / name, self.params.seed, threads=self.asked.threads, clock=time.process_time
        )
        receipt = finetune(
            splits,
            self.place / "encoder",
            out,
            labels=self.params.collect.labels,
            max_tokens=self.params.encoder.max_tokens,
            cfg=self._section(share, goes_on=start is not None),
            training=training,
            champion=start.as_champion() if start else None,
        )
        counts = receipt.counts
        texts = counts["train"] * self.asked.epochs
        learnt = [(one.text, one.label) for source in sources for one in self._learnt(source)]
        return _Trained(name, out, learnt, texts, sum(seconds), counts)

    def _learnt(self, source: str) -> list[Any]:
        return self.texts[source]["train"] + self.texts[source]["valid"]

    def _write(self, out: Path, sources: Sequence[str]) -> None:
        from pipeline.base.records import Receipt
        from pipeline.io import files, parquet

        with files.staging_dir(out) as staging:
            for side in ("train", "valid"):
                records = [one for source in sources for one in self.texts[source][side]]
                parquet.write_texts(staging / f"{side}.parquet", records)
            files.write_receipt(staging, Receipt("split"))

    def _section(self, share: float, *, goes_on: bool) -> Any:
        from pipeline.base.config import FinetuneConfig

        changes = {
            "start": "champion" if goes_on else "encoder",
            "replay": {"share": share},
            "epochs": self.asked.epochs,
            "min_steps": 1,
        }
        return FinetuneConfig.model_validate({**self.params.finetune.model_dump(), **changes})

    def _cost(self, source: str, method: str, after: "_Trained", naive: "_Trained") -> None:
        counts = after.counts
        figures = [
            f"{counts.get('new', counts['train']):,}",
            f"{counts.get('replayed', 0):,}",
            f"{after.texts:,}",
            f"{after.texts / naive.texts:.2f}",
            f"{after.seconds:.0f}",
            f"{after.seconds / naive.seconds:.2f}",
        ]
        self.costs.append([f"+ {source}", method, *figures])
        print("  ".join(self.costs[-1]), flush=True)

    def _compare(
        self, order: Sequence[str], number: int, method: str, models: "tuple[_Trained, _Trained]"
    ) -> None:
        """Compare the models before and after a step on each source so far, as the gate does."""
        from pipeline.core.evaluate.comparison import SourcePredictions, measure_forgetting
        from pipeline.core.evaluate.paired_bootstrap import PairedPredictions

        labels, params = self.params.collect.labels, self.params
        pairs = {}
        for source in order[: number + 1]:
            test = self.texts[source]["test"]
            truth = [labels.index(one.label) for one in test]
            before, after = (self._predicted(model, source) for model in models)
            ids, groups = [one.id for one in test], [one.group for one in test]
            pairs[source] = SourcePredictions(PairedPredictions(ids, truth, after, before, groups), "")
        past = {source: pairs[source] for source in order[:number]}
        # The new source is no part of the family of past ones.
        for sources in (past, {order[number]: pairs[order[number]]}):
            found = measure_forgetting(
                sources, champion=method, labels=labels, gate=params.gate, seed=params.seed
            )
            for row in found:
                name = row["name"].removeprefix("source=")
                figures = [f"{row[key]:.3f}" for key in ("champion", "candidate")]  # type: ignore[literal-required]
                change = [f"{row['difference']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}"]
                shown = row["state"] if name in past else "(new)"
                line = [f"+ {order[number]}", method, name, f"{row['texts']:,}", *figures, *change, shown]
                self.rows.append(line)
                print("  ".join(line), flush=True)

    def _predicted(self, model: "_Trained", source: str) -> list[int]:
        """Return the predicted labels of the test texts of a source; each model predicts them once."""
        if (model.name, source) not in self.predicted:
            texts = [one.text for one in self.texts[source]["test"]]
            self.predicted[model.name, source] = _predict(model.folder, texts, self.params.encoder.max_tokens)
        return self.predicted[model.name, source]


def _predict(folder: Path, texts: Sequence[str], max_tokens: int) -> list[int]:
    from safetensors.torch import load_file

    from pipeline.core.model.heads import trained_classifier
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import predict_labels
    from pipeline.io import files

    weights = load_file(folder / "model.safetensors")
    classifier = trained_classifier(files.read_json(folder / "config.json"), weights)
    tokenizer = load_tokenizer((folder / "tokenizer.json").read_text("utf-8"), max_tokens)
    return [int(label) for label in predict_labels(classifier, encode(tokenizer, texts, "head"))]


@dataclass(frozen=True)
class _Trained:
    """Hold a model of a chain: its folder, what it learnt from, and what that cost."""

    name: str
    folder: Path
    learnt: list[tuple[str, str]]
    texts: int
    seconds: float
    counts: Mapping[str, int]

    def as_champion(self) -> Any:
        """Return it as the release that the next step goes on from."""
        from pipeline.io.models.champion_start import ChampionStart

        return ChampionStart(self.name, self.folder, self.name, iter(self.learnt))


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print()
    print_table([heads, *rows])


if __name__ == "__main__":
    main()
