"""`tonewatch tune`: search for better parameters, and print what came of each combination."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import ProfileOption, command

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.operations.tuning.results import Trial
    from pipeline.operations.tuning.search import SearchResult

OVERLAY = "tuned.yaml"
NONE_TRAINED = (
    "None of these could be trained on every fold. Write other `ranges` under `tune` in params.yaml, and "
    "type `tonewatch tune` again; --json says the whole of each reason."
)


@command
def tune(
    workspace: "Workspace",
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write the best values; by default tuned.yaml in the workspace."),
    ] = None,
    profile: ProfileOption = "laptop",
) -> tuple[object, str]:
    """Search better values for the keys of `tune`, by folds of the data.  Example: tonewatch tune."""
    from pipeline.operations.tuning.search import tune as search

    result = search(workspace, profile, out or workspace.root / OVERLAY)
    document = {**asdict(result), "overlay": str(result.overlay) if result.overlay else None}
    return document, search_table(result)


def overlay_values(overlay: Path | None) -> list[str]:
    """Return the values of an overlay as `section.key=value`; none without one."""
    if overlay is None:
        return []
    from pipeline.operations.tuning.overlay import overlay_assignments

    return overlay_assignments(overlay)


def search_table(result: "SearchResult") -> str:
    """Write a row for each trial, the best first, and what to type next."""
    from pipeline.cli.tables import table

    keys = list(dict.fromkeys(key for trial in result.trials for key in trial.values))
    rows = [
        (*(_value(trial.values.get(key)) for key in keys), *_scores(trial, result)) for trial in result.trials
    ]
    lines = [table(rows, header=(*keys, "folds", "macro F1", "against the present"))] if rows else []
    if not result.finished:
        lines.append("The time is over before the last trial. Type `tonewatch tune` to go on.")
    if result.overlay:
        lines.append(f"Best: {result.overlay}. Type: tonewatch run --overlay {result.overlay}")
    elif result.best:
        lines.append("The values of params.yaml are the best of these; there is nothing to change.")
    elif result.finished:
        lines.append(NONE_TRAINED)
    return "\n".join(lines)


def _scores(trial: "Trial", result: "SearchResult") -> tuple[str, str, str]:
    from pipeline.operations.tuning.overlay import interval

    folds = f"{len(trial.scores)} of {result.folds}"
    if trial.mean is None:
        return folds, trial.fault.partition(". ")[0], ""
    gain = "the present" if trial.gain is None and trial.is_present else ""
    return folds, interval(trial.mean), interval(trial.gain, sign="+") if trial.gain else gain


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
