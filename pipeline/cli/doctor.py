"""`tonewatch doctor`: what is installed, reachable, unfinished."""

import os

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result

FAULT = 3


def doctor(workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Look at versions, places, locks, moves, disk, keys and clock; exit 3 when one does not hold.  Example: tonewatch doctor."""
    from pipeline.cli import printing
    from pipeline.operations.doctor import examine

    found = examine(open_workspace(workspace, json=json, debug=debug), dict(os.environ))
    print_result(found, json=json, text=printing.examined(found))
    if not found["ok"]:
        raise typer.Exit(FAULT)
