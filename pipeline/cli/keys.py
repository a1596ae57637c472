"""`tonewatch keys`: the API keys of the service."""

from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, list and revoke API keys.")


@app.command()
def new(
    *,
    name: Annotated[str, typer.Option("--name", help="Who uses the key.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="predict, feedback or admin; repeat it for several.")
    ],
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days until it expires.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Create a key and show it once.  Example: tonewatch keys new --name shop --scope predict."""
    from pipeline.operations import api_keys

    opened = open_workspace(workspace, json=json, debug=debug)
    key = api_keys.new_key(opened, name=name, scopes=scope, days=days)
    text = (
        f"{key['key']}\nStore it: it is not shown again. "
        f"Send it as `Authorization: Bearer KEY`; its id is {key['id']}."
    )
    print_result(key, json=json, text=text)


@app.command("list")
def list_keys(
    workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the keys without their secrets.  Example: tonewatch keys list."""
    from pipeline.cli import printing
    from pipeline.operations import api_keys

    records = api_keys.list_keys(open_workspace(workspace, json=json, debug=debug))
    print_result(records, json=json, text=printing.keys(records))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as `keys list` shows it.")],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Revoke a key; the next request with it is rejected.  Example: tonewatch keys revoke 1f2e3d4c."""
    from pipeline.operations import api_keys

    key = api_keys.revoke_key(open_workspace(workspace, json=json, debug=debug), key_id)
    print_result(key, json=json, text=f"Revoked: {key['id']} ({key['name']}), at {key['revoked']}.")
