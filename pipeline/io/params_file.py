"""Read and change `params.yaml` and the profiles, with errors a person can act on."""

import functools
import importlib.resources
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.base import logs
from pipeline.base.config.params import Params
from pipeline.base.config.parsing import read_yaml, validate_section
from pipeline.base.config.workspace import Profile
from pipeline.base.earlier_params.added_keys import add_missing_keys
from pipeline.base.earlier_params.renamed_keys import (
    renamed_sentence,
    renamed_sentences,
    renamed_value,
    upgrade_params_text,
)
from pipeline.base.errors import ConfigError, Fault


def load_params(path: Path) -> Params:
    """Read `params.yaml`; an old key counts as its new one, and a warning names both.

    Raises ConfigError that names every missing, unknown or wrong key.
    """
    text = _read(path)
    content = _parse_yaml(text, path)
    if sentences := tuple(renamed_sentences(content)):
        _warn_of_old_keys(path, sentences)
        content = read_yaml(upgrade_params_text(text))
    return validate_section(Params, content, path)


def load_profile(name: str) -> Profile:
    """Read a profile of `infra/profiles` by its name."""
    folder = _profiles_folder()
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise ConfigError(f"There is no profile {name!r} (known: {known}). Type `--profile laptop`.")
    return validate_section(Profile, _parse_yaml(_read(path), path), path)


def set_param(path: Path, assignment: str) -> str:
    """Write one `section.key=value` into a params file; return the sentence that reports it."""
    return set_params(path, [assignment])[0]


def set_params(path: Path, assignments: Sequence[str]) -> list[str]:
    """Write every `section.key=value` into a params file or none, keeping its comments.

    A value is read as YAML. Returns a sentence for each. Raises ConfigError, and writes nothing, when the
    result is not valid.
    """
    editor = _editor()
    before = path.read_text("utf-8")
    current = upgrade_params_text(before)
    document = editor.load(current)
    add_missing_keys(document)
    sentences = [_assign(document, assignment, path) for assignment in assignments]
    after = io.StringIO()
    editor.dump(document, after)
    validate_section(Params, read_yaml(after.getvalue()), path)
    if current != before or any(" was " in sentence for sentence in sentences):
        _replace(path, after.getvalue())
    return sentences


def fill_params(text: str, values: Mapping[str, object]) -> str:
    """Return the text of a params file with other values under some keys (`section.key`), comments kept.

    Raises ConfigError when the result is not valid.
    """
    editor = _editor()
    document = editor.load(text)
    for dotted, value in values.items():
        *sections, key = dotted.split(".")
        functools.reduce(lambda section, name: section[name], sections, document)[key] = value
    after = io.StringIO()
    editor.dump(document, after)
    validate_section(Params, yaml.safe_load(after.getvalue()), Path("params.yaml"))
    return after.getvalue()


def _editor() -> Any:
    """Return an editor that changes only the lines it is asked to change."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return editor


def _assign(document: Any, assignment: str, path: Path) -> str:
    dotted, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError(
            f"{assignment!r} is not of the form section.key=value, for example `--set finetune.epochs=3`."
        )
    *sections, key = dotted.split(".")
    section = document
    for name in sections:
        section = section.get(name) if hasattr(section, "get") else None
    if not hasattr(section, "get") or key not in section:
        reason = renamed_sentence(dotted.split(".")) or "`--set` changes only keys that are there."
        raise ConfigError(f"{path} has no key {dotted!r}. {reason}")
    value = _read_value(dotted, text)
    before, section[key] = section[key], renamed_value(dotted.split("."), value) or value
    if before == section[key]:
        return f"{path.name}: {dotted} is {json.dumps(before)} already"
    return f"{path.name}: {dotted} was {json.dumps(before)}, is {json.dumps(section[key])}"


def _read_value(dotted: str, text: str) -> Any:
    try:
        return read_yaml(text)
    except yaml.YAMLError:
        raise ConfigError(
            f"{dotted}: {text!r} is not YAML. Put a text that begins with a bracket or holds a colon between "
            f"quotes: --set '{dotted}=\"…\"'."
        ) from None


def _replace(path: Path, content: str) -> None:
    # Whole or not at all: this file is the user's own.
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staging.write_text(content, "utf-8")
        staging.replace(path)
    except OSError as error:
        raise Fault(
            f"{path} cannot be written ({error.strerror}); it is unchanged. Free some space and try again."
        ) from error
    finally:
        staging.unlink(missing_ok=True)


def _profiles_folder() -> Path:
    # A wheel carries the profiles inside the package; a checkout keeps them in infra/.
    packaged = Path(str(importlib.resources.files("pipeline"))) / "profiles"
    return packaged if packaged.is_dir() else packaged.parents[1] / "infra" / "profiles"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Make it with `tonewatch init`."
        ) from error


def _parse_yaml(text: str, path: Path) -> object:
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error


@functools.cache
def _warn_of_old_keys(path: Path, sentences: tuple[str, ...]) -> None:
    # Once a process: some commands read the file several times.
    logs.get("params").warning("params.keys_renamed", file=str(path), keys=list(sentences))
