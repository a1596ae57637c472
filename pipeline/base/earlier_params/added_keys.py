"""Keys that a `params.yaml` of an earlier version lacks: their values are those of the preset."""

import functools
import importlib.resources
from collections.abc import MutableMapping
from typing import Any

import yaml

ADDED_KEYS = (
    "gate.ability_margin",
    "gate.attack_margin",
    "gate.anchors",
    "gate.looks",
    "gate.new_test_share",
    "gate.reserve",
    "compress.budget.confidence",
    "compress.budget.resamples",
    "evaluate.frozen_encoder",
    "evaluate.frozen_encoder.max_texts",
    "split.near_duplicates",
    "pretrain.objective",
    "pretrain.batch_tokens",
    "finetune.start",
    "finetune.replay",
    "finetune.targets",
    "finetune.method",
    "finetune.lora",
    "finetune.layer_decay",
    "finetune.label_smoothing",
    "finetune.r_drop",
    "finetune.adversarial",
    "finetune.perturbation",
    "finetune.augment",
    "finetune.average",
    "finetune.average_share",
    "finetune.seeds",
    "finetune.combine",
    "finetune.student",
    "finetune.prompt",
    "clean.mask",
    "clean.max_loss",
    "validate.sample_texts",
    "validate.max_unknown_tokens",
    "validate.max_cut_words",
    "validate.max_shift",
    "validate.likely_wrong",
    "validate.change",
    "encoder.long_texts",
    "encoder.folder",
    "encoder.hub",
    "tune",
    "task",
    "finetune.ordinal",
    "gate.ordinal",
    "gate.items",
    "encoder.answer_tokens",
    "gate.generation",
    "encoder.scratch.tokenizer",
)


def add_missing_keys(content: object) -> list[str]:
    """Add the keys of `ADDED_KEYS` that the content of a `params.yaml` lacks; return them.

    A section that is missing as a whole stays missing: that file is no `params.yaml` of any version. So does
    the section `tune` where there is none that it searches.
    """
    added = []
    for path in ADDED_KEYS:
        *sections, key = path.split(".")
        section = _descend(content, sections)
        # A key of the whole file is added to what has the sections beside it.
        if not sections and not isinstance(_descend(content, ["finetune"]), MutableMapping):
            continue
        if isinstance(section, MutableMapping) and key not in section:
            section[key] = _descend(_preset(), [*sections, key])
            added.append(path)
    return added


def _descend(content: object, names: list[str]) -> Any:
    for name in names:
        content = content.get(name) if isinstance(content, MutableMapping) else None
    return content


@functools.cache
def _preset() -> Any:
    text = importlib.resources.files("pipeline").joinpath("presets", "params.yaml").read_text("utf-8")
    return yaml.safe_load(text)
