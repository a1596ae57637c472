"""`tonewatch watch`: one pass of monitoring over the windows of the journal that have ended."""

from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result


def watch(
    now: Annotated[
        str | None,
        typer.Option("--now", help="The UTC time to watch at, as 2026-11-25T08:00:00Z.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure prevalence, drift and quality of new windows, and send alerts.  Example: tonewatch watch."""
    from pipeline.cli import printing
    from pipeline.monitoring.watch import run_watch

    summary = run_watch(open_workspace(workspace, json=json, debug=debug), now=now)
    print_result(summary, json=json, text=printing.watch(summary))
