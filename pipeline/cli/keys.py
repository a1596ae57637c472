"""`tonewatch keys`: who may ask the service."""

from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke API keys.")


@app.command()
def new(
    *,
    name: Annotated[str, typer.Option("--name", help="Whose key it is.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="predict, feedback or admin; give it again for more.")
    ],
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Expires after so many days.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a key and show it this once.  Example: tonewatch keys new --name shop --scope predict --scope feedback."""
    from pipeline.operations import api_keys

    made = api_keys.new_key(
        open_workspace(workspace, json=json, debug=debug), name=name, scopes=scope, days=days
    )
    text = f"{made['key']}\nKeep it: it cannot be shown again. Send it as `Authorization: Bearer KEY`; its id is {made['id']}."
    print_result(made, json=json, text=text)


@app.command("list")
def list_keys(
    workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the keys without their secrets.  Example: tonewatch keys list."""
    from pipeline.cli import printing
    from pipeline.operations import api_keys

    found = api_keys.list_keys(open_workspace(workspace, json=json, debug=debug))
    print_result(found, json=json, text=printing.keys(found))


@app.command()
def revoke(
    number: Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as `keys list` tells it.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Revoke a key; it is dead at the next request.  Example: tonewatch keys revoke 1f2e3d4c."""
    from pipeline.operations import api_keys

    dead = api_keys.revoke_key(open_workspace(workspace, json=json, debug=debug), number)
    print_result(dead, json=json, text=f"Revoked: {dead['id']} ({dead['name']}), at {dead['revoked']}.")
