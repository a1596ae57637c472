"""`tonewatch doctor`: what is installed, reachable, unfinished."""

import os

import typer

from pipeline.cli.options import Debug, Json, Workspace, places, tell

FAULT = 3


def doctor(workspace: Workspace = None, json: Json = False, debug: Debug = False) -> None:
    """Look at versions, places, locks, moves, disk, keys and clock; exit 3 when one does not hold.  Example: tonewatch doctor."""
    from pipeline.cli import printing
    from pipeline.operations.doctor import examine

    found = examine(places(workspace, json=json, debug=debug), dict(os.environ))
    tell(found, json=json, text=printing.examined(found))
    if not found["ok"]:
        raise typer.Exit(FAULT)
