"""The decision card: one page of Markdown for people who look at the flow."""

from collections.abc import Mapping
from typing import Any


def card(release: Mapping[str, Any]) -> str:
    """Write what was judged, each part of the gate, and the figures beside the baselines."""
    decision = release["decision"]
    lines = [
        f"# {release['release']}: {'accepted' if decision['accepted'] else 'refused'}",
        "",
        f"Data {release['data_version']} · model version {release['model_version']} · code `{release['code_commit']}`",
        "",
        "| part | passed | why |",
        "| --- | --- | --- |",
        *(f"| {part['name']} | {'yes' if part['passed'] else '**no**'} | {_cell(part['sentence'])} |" for part in decision["parts"]),
        "",
        "| | macro F1 | accuracy |",
        "| --- | --- | --- |",
        *(f"| {_cell(name)} | {row['macro_f1']:.3f} | {row['accuracy']:.3f} |" for name, row in _rows(release)),
    ]
    return "\n".join(lines) + "\n"


def _rows(release: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(release["release"]), release["metrics"]), *sorted(release["baselines"].items())]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
