"""The table of the stages: what each reads, where it writes, and its sections of `params.yaml`."""

from dataclasses import dataclass

from pipeline.base.errors import UsageError


@dataclass(frozen=True)
class Stage:
    """Describe a stage: the stages whose folders it reads, its own folder, its sections of `params.yaml`.

    Its module is `pipeline.stages.<name>`, its function has the same name, and `run` of the module calls it.
    """

    name: str
    inputs: tuple[str, ...]
    out: str
    sections: tuple[str, ...]

    @property
    def module(self) -> str:
        """Return the name of the module that holds the stage."""
        return f"pipeline.stages.{self.name}"


# What defines a slice; the rest of `evaluate` may change without a new candidate.
SLICE_SECTIONS = ("evaluate.length_bands", "evaluate.min_slice_texts", "evaluate.negations")
TRAINING_SECTIONS = (
    "seed", "task", "collect.labels", "encoder.max_tokens", "encoder.long_texts", "encoder.answer_tokens",
)  # fmt: skip

COVERAGE_SECTIONS = ("validate.sample_texts", "validate.max_unknown_tokens", "validate.max_cut_words")
# Where fine-tuning goes on from the champion, nothing is pretrained.
PRETRAIN_SECTIONS = ("pretrain", "finetune.start", *COVERAGE_SECTIONS)

STAGES = (
    Stage("identity", (), "data/identity", ()),
    Stage("collect", (), "data/raw", ("collect", "clean.mask")),
    Stage("clean", ("collect",), "data/clean", ("task", "clean", "collect.labels")),
    Stage("validate", ("clean",), "data/validation", ("task", "validate", "collect.labels")),
    Stage("split", ("clean", "validate"), "data/splits", ("task", "split")),
    Stage("pretrain", ("split",), "data/encoder", ("seed", "task", "encoder", *PRETRAIN_SECTIONS)),
    Stage(
        "finetune",
        ("split", "pretrain"),
        "data/classifier",
        (*TRAINING_SECTIONS, "collect.sources", "finetune"),
    ),
    Stage(
        "compress", ("finetune", "split"), "data/candidate", (*TRAINING_SECTIONS, "compress", *SLICE_SECTIONS)
    ),
    Stage(
        "evaluate",
        ("compress", "split", "pretrain"),
        "data/evaluation",
        ("seed", "task", "collect.sources", "evaluate", "gate.reserve"),
    ),
)


def find_stage(name: str) -> Stage:
    """Return the stage of this name.

    Raises UsageError for an unknown name.
    """
    by_name = {stage.name: stage for stage in STAGES}
    if name not in by_name:
        raise UsageError(f"There is no stage {name!r}. Stages, in order: {', '.join(by_name)}.")
    return by_name[name]
