"""Overlays: files with some of the keys of params.yaml, which `tonewatch run --overlay` writes into it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.base.config.parsing import read_yaml
from pipeline.base.errors import ConfigError, UsageError
from pipeline.core.search.folds import MeanOverFolds
from pipeline.io import files
from pipeline.operations.tuning.results import Trial

# Begins an overlay that a search wrote, which the next one may replace.
FIRST_WORDS = "# Macro F1 "


def require_place(path: Path) -> None:
    """Raise UsageError, where an overlay could not be written, or would replace a file of others."""
    parent = next(one for one in path.absolute().parents if one.exists())
    if path.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        fault = "is a folder" if path.is_dir() else f"cannot be written below {parent}"
    elif path.exists() and not _is_of_a_search(path):
        fault = "is there already, and no search wrote it"
    else:
        return
    raise UsageError(f"{path} {fault}. Name another file: tonewatch tune --out tuned-2.yaml")


def _is_of_a_search(path: Path) -> bool:
    if not path.is_file():  # reading a pipe would wait for a writer
        return False
    with path.open("rb") as file:
        return file.read(len(FIRST_WORDS)) == FIRST_WORDS.encode()


def write_overlay(path: Path, trial: Trial, *, folds: int) -> Path:
    """Write the values of a trial as an overlay, with what it scored as a comment; return the path."""
    content: dict[str, Any] = {}
    for dotted, value in trial.values.items():
        *sections, key = dotted.split(".")
        place = content
        for name in sections:
            place = place.setdefault(name, {})
        place[key] = value
    assert trial.mean is not None
    comment = f"{FIRST_WORDS}{interval(trial.mean)} over {folds} folds"
    if trial.gain is not None:
        comment += f"; {interval(trial.gain, sign='+')} against params.yaml as it was"
    text = f"{comment}.\n{yaml.safe_dump(content, sort_keys=False)}"
    files.write_bytes(path, text.encode())
    return path


def overlay_assignments(path: Path) -> list[str]:
    """Return the values of an overlay as `section.key=value`, in their order.

    Raises ConfigError where the file cannot be read or holds no sections.
    """
    try:
        content = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The overlay {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise ConfigError(
            f"The overlay {path} holds no sections of params.yaml. Write it as `finetune: {{epochs: 3}}`."
        )
    return [f"{key}={_inline(value)}" for key, value in flattened(content).items()]


def flattened(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested sections as values by dotted keys."""
    flat: dict[str, Any] = {}
    for name, value in content.items():
        dotted = f"{prefix}.{name}" if prefix else str(name)
        flat |= flattened(value, dotted) if isinstance(value, Mapping) and value else {dotted: value}
    return flat


def _inline(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()


def interval(mean: MeanOverFolds, sign: str = "") -> str:
    """Return a mean with its interval, as 0.743 [0.731, 0.755]; of a single fold there is none."""
    if mean.low is None or mean.high is None:
        return f"{mean.mean:{sign}.3f}"
    return f"{mean.mean:{sign}.3f} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]"
