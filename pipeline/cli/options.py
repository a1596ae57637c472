"""What every command shares: its options, the workspace, the way an answer or an error is told."""

import getpass
import json as jsonlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.base.config import Workspace

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", help="The workspace; else the nearest one upward.", show_default=False),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every event.")]
ActorOption = Annotated[
    str,
    typer.Option(
        "--actor", help="Who asks; kept in the ledger.", default_factory=getpass.getuser, show_default=False
    ),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]


def open_workspace(workspace: Path | None, *, json: bool, debug: bool) -> "Workspace":
    """Find the workspace, send logs to stderr and set the environment, before anything heavy is imported."""
    from pipeline.base import logs
    from pipeline.base.config import Workspace, find_workspace
    from pipeline.base.config.environment import configure_environment

    logs.configure(json=json, debug=debug)
    found = Workspace.of(find_workspace((workspace or Path.cwd()).resolve()), os.environ)
    configure_environment(found, os.environ)
    # Prefect makes its home only where the folder above it is there, and its server dies without one.
    (found.home / "prefect").mkdir(parents=True, exist_ok=True)
    return found


def print_result(document: Any, *, json: bool, text: str) -> None:
    """Print the answer: the document for machines, the text for people."""
    typer.echo(jsonlib.dumps(document, indent=1, ensure_ascii=False) if json else text)
