"""`tonewatch doctor`: versions, places, and checks of everything a workspace depends on."""

import os

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result

FAULT = 3


def doctor(workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Check stores, locks, moves, disk, keys and clock; exit 3 on a failure.  Example: tonewatch doctor."""
    from pipeline.cli import printing
    from pipeline.operations.doctor import diagnose

    result = diagnose(open_workspace(workspace, json=json, debug=debug), dict(os.environ))
    print_result(result, json=json, text=printing.diagnosis(result))
    if not result["ok"]:
        raise typer.Exit(FAULT)
