"""`tonewatch data`: the versions of the data."""

from typing import Annotated

import typer

from pipeline.cli.options import (
    DebugOption,
    JsonOption,
    ReasonOption,
    WorkspaceOption,
    open_workspace,
    print_result,
)

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show and roll back versions of the data."
)
VersionArgument = Annotated[str | None, typer.Argument(help="A data version, as v1.")]


@app.command("list")
def list_versions(
    workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the data versions, newest first.  Example: tonewatch data list."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    opened = open_workspace(workspace, json=json, debug=debug)
    versions = [version.as_dict() for version in data_versions.list_versions(opened.root)]
    print_result(versions, json=json, text=printing.data_versions(versions))


@app.command("show")
def show_version(
    name: VersionArgument = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show one data version, by default the newest.  Example: tonewatch data show v1."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    opened = open_workspace(workspace, json=json, debug=debug)
    version = data_versions.show_version(opened.root, name).as_dict()
    print_result(version, json=json, text=printing.fields(version))


@app.command()
def rollback(
    name: VersionArgument = None,
    reason: ReasonOption = "tonewatch data rollback",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check out and pin a data version, by default the previous.  Example: tonewatch data rollback v1."""
    from pipeline.operations import data_versions

    opened = open_workspace(workspace, json=json, debug=debug)
    version = data_versions.rollback_data(opened.root, name, reason).as_dict()
    text = (
        f"Data version {version['name']} is checked out and pinned in params.yaml (data.version).\n"
        "`tonewatch run` trains on it; `tonewatch run --set data.version=newest` collects again."
    )
    print_result(version, json=json, text=text)
