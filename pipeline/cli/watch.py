"""`tonewatch watch`: one pass of monitoring over the windows of the journal that have ended."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import command

if TYPE_CHECKING:
    from pipeline.base.config import Workspace


@command
def watch(
    workspace: "Workspace",
    now: Annotated[
        str | None,
        typer.Option("--now", help="The UTC time to watch at, as 2026-11-25T08:00:00Z.", show_default=False),
    ] = None,
) -> tuple[object, str]:
    """Measure prevalence, drift and quality of new windows, and send alerts.  Example: tonewatch watch."""
    from pipeline.cli import printing
    from pipeline.monitoring.watch import run_watch

    summary = run_watch(workspace, now=now)
    return summary, printing.watch(summary)
