"""From the text of `params.yaml` or a profile to strict models, with errors a person can act on."""

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pipeline.base.config.params import OPERATIONAL_SECTIONS, Params
from pipeline.base.config.section import Section
from pipeline.base.errors import ConfigError

Model = TypeVar("Model", bound=Section)


def parse_params(text: str) -> Params:
    """Read the text of a `params.yaml`, as a release keeps it.

    Raises ConfigError when this Tonewatch does not know its keys.
    """
    return validate_section(Params, read_yaml(text), Path("params.yaml"))


def split_sections(text: str) -> dict[str, str]:
    """Cut a params file into its top sections, each with the comments that stand above it; what stands before all has no name."""
    found: dict[str, str] = {}
    name, above = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            above += line
            continue
        if begun := re.match(r"(\w+):", line):
            name = begun[1]
        found[name] = found.get(name, "") + above + line
        above = ""
    return {**found, name: found.get(name, "") + above}


def keep_operational_sections(released: str, now: str) -> str:
    """Give the params of a release with the sections by which the line is operated left as they are now."""
    present = split_sections(now)
    return "".join(
        present.get(name, part) if name in OPERATIONAL_SECTIONS else part
        for name, part in split_sections(released).items()
    )


def read_yaml(text: str) -> Any:
    """Parse YAML safely."""
    # The parser written in C reads params.yaml ten times as fast, where libyaml was there when PyYAML was built.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def validate_section(model: type[Model], content: object, path: Path) -> Model:
    """Validate what a YAML file holds; `path` names it in errors.

    Raises ConfigError that names every missing, unknown or wrong key.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no sections. Compare it with the one `tonewatch init` writes.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [_sentence(model, detail) for detail in error.errors(include_url=False)]
        raise ConfigError(f"{path}:\n" + "\n".join(f"  {line}" for line in lines)) from error


def _sentence(model: type[Section], detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "the whole file"
    if detail["type"] == "missing":
        return f"{where} is missing. Add it; every key is required."
    if detail["type"] == "extra_forbidden":
        known = model.model_fields if len(detail["loc"]) == 1 else {}
        close = difflib.get_close_matches(
            str(detail["loc"][-1]), [f.alias or n for n, f in known.items()], n=1
        )
        return f"{where} is not known." + (
            f" Did you mean {close[0]!r}?" if close else " Remove it, or mend its spelling."
        )
    return f"{where}: {detail['msg'].removeprefix('Value error, ')} (found: {str(detail['input'])[:80]!r})"
