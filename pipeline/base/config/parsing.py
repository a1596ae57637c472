"""Parse the text of `params.yaml` or a profile into strict models, with errors a person can act on."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import yaml
from pydantic import ValidationError

from pipeline.base.config.params import OPERATIONAL_SECTIONS, Params
from pipeline.base.config.section import Section
from pipeline.base.earlier_params.added_keys import add_missing_keys
from pipeline.base.earlier_params.renamed_keys import renamed_key, renamed_sentence, upgrade_params_text
from pipeline.base.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=Section)


def parse_params(text: str) -> Params:
    """Parse the text of a `params.yaml` as a release keeps it; old keys are read by their new names.

    Raises ConfigError when a key is unknown.
    """
    return validate_section(Params, read_yaml(upgrade_params_text(text)), Path("params.yaml"))


def split_sections(text: str) -> dict[str, str]:
    """Split a params file into its top sections, each with the comments above it; the head is named ""."""
    sections: dict[str, str] = {}
    name, comments = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            comments += line
            continue
        if start := re.match(r"(\w+):", line):
            name = start[1]
        sections[name] = sections.get(name, "") + comments + line
        comments = ""
    return {**sections, name: sections.get(name, "") + comments}


def keep_operational_sections(released: str, now: str) -> str:
    """Return the params text of a release, in today's keys, with the operational sections as they are now."""
    current = split_sections(now)
    return upgrade_params_text(
        "".join(
            current.get(name, section) if name in OPERATIONAL_SECTIONS else section
            for name, section in split_sections(released).items()
        )
    )


# Where PyYAML was built with libyaml, its C parser reads params.yaml ten times as fast.
_FastLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BOOLEAN = "tag:yaml.org,2002:bool"


class _Loader(_FastLoader):  # type: ignore[misc]
    """Read `yes`, `no`, `on` and `off` as the words they are, as YAML 1.2 does: they may be labels."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOLEAN]
        for first, resolvers in _FastLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(BOOLEAN, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_yaml(text: str) -> Any:
    """Parse YAML safely; `yes`, `no`, `on` and `off` are strings."""
    return yaml.load(text, Loader=_Loader)


def validate_section(model: type[Model], content: object, path: Path) -> Model:
    """Validate the content of a YAML file, completed by the keys that earlier versions lack.

    `path` names it in errors. Raises ConfigError that names every missing, unknown, renamed or wrong key.
    """
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no sections. Compare it with the one `tonewatch init` writes.")
    if model is Params:
        add_missing_keys(content)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        sentences = _sentences(model, error.errors(include_url=False))
        raise ConfigError(f"{path}:\n" + "\n".join(f"  {sentence}" for sentence in sentences)) from error


def _sentences(model: type[Section], details: Sequence["ErrorDetails"]) -> Iterator[str]:
    places = [_place(detail["loc"]) for detail in details]
    # A renamed key is missing under its new name; one sentence says both.
    renamed = {(*place[:-1], new) for place in places if place and (new := renamed_key(place)) is not None}
    for place, detail in zip(places, details, strict=True):
        if detail["type"] == "extra_forbidden" and (sentence := renamed_sentence(place)):
            yield sentence
        elif detail["type"] == "missing" and place in renamed:
            continue
        # pydantic also counts the entries that are left after the wrong ones.
        elif detail["type"] != "too_short" or not any(place == p[: len(place)] != p for p in places):
            yield _sentence(model, ".".join(map(str, place)) or "the whole file", detail)


def _place(location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Return the place of an error in the file: pydantic adds the kind of a source, or of a range."""
    if (location[:2] == ("collect", "sources") and len(location) > 4) or (
        location[:2] == ("tune", "ranges") and len(location) > 3
    ):
        return (*location[:3], *location[4:])
    return location


def _sentence(model: type[Section], where: str, detail: "ErrorDetails") -> str:
    if detail["type"] == "missing":
        return f"{where} is missing. Add it; every key is required."
    if detail["type"] == "extra_forbidden":
        known = model.model_fields if len(detail["loc"]) == 1 else {}
        names = [field.alias or name for name, field in known.items()]
        close = difflib.get_close_matches(str(detail["loc"][-1]), names, n=1)
        advice = f"Did you mean {close[0]!r}?" if close else "Remove it, or correct its spelling."
        return f"{where} is not known. {advice}"
    said = f"{where}: {detail['msg'].removeprefix('Value error, ')}"
    # The beginning of a section says nothing about what is wrong in it.
    is_section = isinstance(detail["input"], dict | Section)
    return said if is_section else f"{said} (found: {str(detail['input'])[:80]!r})"
