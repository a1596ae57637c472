"""What every command shares: its options, the workspace, and how a result is printed."""

import contextlib
import getpass
import inspect
import json as jsonlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from pipeline.base.config import Workspace


def account() -> str:
    """Return the name of the account that runs the command; `uid 1234` where a container gives it none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", help="The workspace; by default the nearest one upward.", show_default=False),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log event.")]
ActorOption = Annotated[
    str,
    typer.Option(
        "--actor",
        help="Who moves the champion; recorded in the ledger.",
        default_factory=account,
        show_default=False,
    ),
]
LabelsFromOption = Annotated[
    Path | None,
    typer.Option("--labels-from", help="A second file: the label of each line of the first."),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--labels", metavar="A,B,C", help="The labels to learn, in their order; by default all."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded in the ledger.")]
PENDING = 3  # the exit code while something does not follow the ledger yet
ProfileOption = Annotated[
    str, typer.Option("--profile", help="What the machine offers: laptop, gpu or cluster.")
]


def open_workspace(workspace: Path | None, *, json: bool, debug: bool) -> "Workspace":
    """Find the workspace, configure logs and the environment, before anything heavy is imported."""
    from pipeline.base import logs
    from pipeline.base.config import Workspace, find_workspace
    from pipeline.base.config.environment import configure_environment
    from pipeline.base.private_files import keep_private

    logs.configure(json=json, debug=debug)
    opened = Workspace.of(find_workspace((workspace or Path.cwd()).resolve()), os.environ)
    configure_environment(opened, os.environ)
    keep_private(opened)
    # Prefect creates its home only inside an existing folder, and its server exits without one. A workspace
    # that cannot be written can still be read.
    with contextlib.suppress(OSError):
        (opened.home / "prefect").mkdir(parents=True, exist_ok=True)
    return opened


def print_result(document: object, *, json: bool, text: str) -> None:
    """Print a result: the document for machines, the text for people."""
    typer.echo(jsonlib.dumps(document, indent=1, ensure_ascii=False) if json else text)


class CommandResult(NamedTuple):
    """A document for machines, a text for people, and the exit code."""

    document: object
    text: str
    code: int = 0


def command(function: Callable[..., tuple[object, str] | CommandResult]) -> Callable[..., None]:
    """Add the options that every command has, open the workspace, print the result, exit with its code.

    The function takes the workspace first.
    """

    def run(
        workspace: WorkspaceOption = None,
        json: JsonOption = False,
        debug: DebugOption = False,
        **arguments: object,
    ) -> None:
        result = CommandResult(*function(open_workspace(workspace, json=json, debug=debug), **arguments))
        print_result(result.document, json=json, text=result.text)
        if result.code:
            raise typer.Exit(result.code)

    own = [*inspect.signature(function).parameters.values()][1:]
    shared = [*inspect.signature(run).parameters.values()][:-1]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *shared)]
    # Typer reads the options from here.
    vars(run).update(__signature__=inspect.Signature(parameters))
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run
