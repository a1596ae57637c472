"""`tonewatch watch`: one pass over the windows of the journal that have ended."""

from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result


def watch(
    now: Annotated[
        str | None,
        typer.Option("--now", help="Watch as at this UTC time, as 2026-11-25T08:00:00Z.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Watch the windows that have ended, tell what should be known.  Example: tonewatch watch."""
    from pipeline.cli import printing
    from pipeline.monitoring.watch import run_watch as look

    at = open_workspace(workspace, json=json, debug=debug)
    seen = look(at, now=now)
    print_result(seen, json=json, text=printing.watched(seen))
