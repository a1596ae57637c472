"""`tonewatch serve`: the HTTP service replaces this process, so signals reach it directly."""

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
        str,
        typer.Option("--host", help="The address to bind to; beyond loopback it requires a key of yours."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    ray: Annotated[bool, typer.Option("--ray", help="Use Ray Serve, with replicas by load.")] = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the champion and the dashboard over HTTP.  Example: tonewatch serve --port 8000."""
    arguments = ["--host", host, "--port", str(port)]
    arguments += ["--workspace", str(workspace.resolve())] if workspace else []
    flags = (("--ray", ray), ("--json", json), ("--debug", debug))
    arguments += [name for name, wanted in flags if wanted]
    # A folder `pipeline` in the workspace must not shadow ours.
    path = os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.execve(
        sys.executable,
        [sys.executable, "-P", "-m", "pipeline.serve.main", *arguments],
        {**os.environ, "PYTHONPATH": path},
    )
