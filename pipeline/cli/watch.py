"""`tonewatch watch`: one pass over the windows of the journal that have ended."""

from typing import Annotated

import typer

from pipeline.cli.options import Debug, Json, Workspace, places, tell


def watch(
    now: Annotated[
        str | None, typer.Option("--now", help="Watch as at this UTC time, as 2026-11-25T08:00:00Z.", show_default=False)
    ] = None,
    workspace: Workspace = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Watch the windows that have ended, tell what should be known.  Example: tonewatch watch."""
    from pipeline.cli import printing
    from pipeline.monitoring.watch import watch as look

    at = places(workspace, json=json, debug=debug)
    seen = look(at, now=now)
    tell(seen, json=json, text=printing.watched(seen))
