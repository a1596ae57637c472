"""The table of contents: every stage, what it reads, where it writes, and which sections of `params.yaml` it obeys.

Here logic and edges are introduced to each other; the doors (command line, DVC, Prefect, service) enter here.
Nothing heavy is imported until a stage is called.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base import logs
from pipeline.base.config import Params, Places, Profile, load_params
from pipeline.base.errors import WrongUse
from pipeline.base.records import Receipt
from pipeline.io import files

if TYPE_CHECKING:
    from pipeline.io.versioning.dvc_cache import Memory
    from pipeline.stages.training import Bench

log = logs.get("stages")


@dataclass(frozen=True)
class Setting:
    """Hold what every stage is called with: where, how, and on what machine."""

    places: Places
    profile: Profile

    @cached_property
    def params(self) -> Params:
        """Read the workspace's params.yaml."""
        return load_params(self.places.params)

    @cached_property
    def memory(self) -> "Memory":
        """Open what DVC remembers of the workspace."""
        from pipeline.io.versioning.dvc_cache import Memory

        return Memory(self.places.root)

    def folder(self, stage: str) -> Path:
        """Give the folder that a stage leaves."""
        return self.places.root / _by_name(stage).out

    def bench(self, stage: str) -> "Bench":
        """Give what training needs besides its inputs."""
        from pipeline.stages.training import Bench

        code = (self.folder("identity") / stage).read_text("utf-8") if (self.folder("identity") / stage).exists() else ""
        return Bench(self.params.seed, self.profile, self.places.checkpoints, self.places.downloads, code)


@dataclass(frozen=True)
class Stage:
    """Describe a stage: its function, the stages whose folders it reads, its own folder, its sections of `params.yaml`."""

    name: str
    module: str
    inputs: tuple[str, ...]
    out: str
    sections: tuple[str, ...]
    call: Callable[[Setting], object]


def _identity(at: Setting) -> object:
    from pipeline.io.versioning import data_versions

    named = {stage.name: (stage.module, stage.name) for stage in STAGES if stage.name != "identity"}
    return data_versions.identity(at.places, at.folder("identity"), at.params.collect, named)


def _collect(at: Setting) -> object:
    from pipeline.io.sources import feedback
    from pipeline.stages import data

    past = feedback.past(at.places.root, at.places.journal, at.params.collect)
    return data.collect(at.places.root, at.places.downloads, at.folder("collect"), at.params.collect, past=past)


def _clean(at: Setting) -> object:
    from pipeline.stages import data

    return data.clean(at.folder("collect"), at.folder("clean"), at.params.clean, at.params.collect.labels)


def _validate(at: Setting) -> object:
    from pipeline.stages import data

    return data.validate(at.folder("clean"), at.folder("validate"), at.params.validation, at.params.collect.labels)


def _split(at: Setting) -> object:
    from pipeline.stages import data

    return data.split(at.folder("clean"), at.folder("validate"), at.folder("split"), at.params.split)


def _pretrain(at: Setting) -> object:
    from pipeline.stages import training

    bench = at.bench("pretrain")
    return training.pretrain(at.folder("split"), at.folder("pretrain"), encoder=at.params.encoder, cfg=at.params.pretrain, bench=bench)


def _finetune(at: Setting) -> object:
    from pipeline.stages import training

    labels, tokens, bench = at.params.collect.labels, at.params.encoder.max_tokens, at.bench("finetune")
    inputs = at.folder("split"), at.folder("pretrain")
    return training.finetune(*inputs, at.folder("finetune"), labels=labels, max_tokens=tokens, cfg=at.params.finetune, bench=bench)


def _compress(at: Setting) -> object:
    from pipeline.stages import compression

    params, bench = at.params, at.bench("compress")
    return compression.compress(
        at.folder("finetune"),
        at.folder("split"),
        at.folder("compress"),
        labels=params.collect.labels,
        max_tokens=params.encoder.max_tokens,
        cfg=params.compress,
        judging=params.evaluate,
        bench=bench,
    )


def _evaluate(at: Setting) -> object:
    from pipeline.stages import evaluation

    inputs = at.folder("compress"), at.folder("split")
    rules = {source.name: source.ratings for source in at.params.collect.sources if source.ratings}
    cfg, seed, threads = at.params.evaluate, at.params.seed, at.profile.threads
    return evaluation.evaluate(*inputs, at.folder("evaluate"), cfg=cfg, rules=rules, seed=seed, threads=threads)


DATA, TRAINING = "pipeline.stages.data", "pipeline.stages.training"
# What makes a slice; the rest of `evaluate` may change without a new candidate.
SLICED_BY = ("evaluate.length_bands", "evaluate.min_slice_texts", "evaluate.negations")

STAGES = (
    Stage("identity", "pipeline.io.versioning.data_versions", (), "data/identity", (), _identity),
    Stage("collect", DATA, (), "data/raw", ("collect",), _collect),
    Stage("clean", DATA, ("collect",), "data/clean", ("clean", "collect.labels"), _clean),
    Stage("validate", DATA, ("clean",), "data/validation", ("validate", "collect.labels"), _validate),
    Stage("split", DATA, ("clean", "validate"), "data/splits", ("split",), _split),
    Stage("pretrain", TRAINING, ("split",), "data/encoder", ("seed", "encoder", "pretrain"), _pretrain),
    Stage(
        "finetune",
        TRAINING,
        ("split", "pretrain"),
        "data/classifier",
        ("seed", "collect.labels", "encoder.max_tokens", "finetune"),
        _finetune,
    ),
    Stage(
        "compress",
        "pipeline.stages.compression",
        ("finetune", "split"),
        "data/candidate",
        (*("seed", "collect.labels", "encoder.max_tokens", "compress"), *SLICED_BY),
        _compress,
    ),
    Stage(
        "evaluate",
        "pipeline.stages.evaluation",
        ("compress", "split"),
        "data/evaluation",
        ("seed", "collect.sources", "evaluate"),
        _evaluate,
    ),
)


def run_stage(at: Setting, name: str) -> Receipt:
    """Run one stage, whatever is remembered of it, and give its receipt.

    Raises WrongUse for a name that is no stage.
    """
    began = time.monotonic()
    log.info("begins", stage=name)
    _by_name(name).call(at)
    log.info("done", stage=name, seconds=round(time.monotonic() - began, 1))
    return files.read_receipt(at.folder(name))


def _by_name(name: str) -> Stage:
    found = {stage.name: stage for stage in STAGES}
    if name not in found:
        raise WrongUse(f"There is no stage {name!r}. Stages, in order: {', '.join(found)}.")
    return found[name]
