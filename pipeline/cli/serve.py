"""`tonewatch serve`: the web service takes this process over, so that signals reach it as they are sent."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption

CODE = Path(__file__).parents[2]


def serve(
    *,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen at; beyond this machine it takes keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    ray: Annotated[bool, typer.Option("--ray", help="On Ray Serve, with replicas by load.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Answer texts over HTTP with the champion, and show the dashboard.  Example: tonewatch serve --port 8000."""
    asked = ["--host", host, "--port", str(port)]
    asked += ["--workspace", str(workspace.resolve())] if workspace else []
    asked += [name for name, wanted in (("--ray", ray), ("--json", json), ("--debug", debug)) if wanted]
    # A `pipeline` folder of the workspace must not stand in for ours.
    path = os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.execve(
        sys.executable,
        [sys.executable, "-P", "-m", "pipeline.serve.main", *asked],
        {**os.environ, "PYTHONPATH": path},
    )
