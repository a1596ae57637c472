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
    no_args_is_help=True, rich_markup_mode=None, help="List, show and roll back data data_versions."
)
Version = Annotated[str | None, typer.Argument(help="A data version, as v1.")]


@app.command("list")
def list_versions(
    workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the data versions, newest first.  Example: tonewatch data list."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    found = [
        version.as_dict()
        for version in data_versions.list_versions(open_workspace(workspace, json=json, debug=debug).root)
    ]
    print_result(found, json=json, text=printing.data_versions(found))


@app.command("show")
def show_version(
    name: Version = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show one data version; the newest if none is named.  Example: tonewatch data show v1."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    version = data_versions.show_version(
        open_workspace(workspace, json=json, debug=debug).root, name
    ).as_dict()
    print_result(version, json=json, text=printing.fields(version))


@app.command()
def rollback(
    name: Version = None,
    reason: ReasonOption = "tonewatch data rollback",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take the work tree's data back to a version, and stay there.  Example: tonewatch data rollback v1."""
    from pipeline.operations import data_versions

    at = open_workspace(workspace, json=json, debug=debug)
    version = data_versions.rollback_data(at.root, name, reason).as_dict()
    text = (
        f"The data are those of {version['name']}, and params.yaml says so (data.version).\n"
        "`tonewatch run` trains on them; `tonewatch run --set data.version=newest` collects again."
    )
    print_result(version, json=json, text=text)
