"""`tonewatch keys`: the API keys of the service."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import command

if TYPE_CHECKING:
    from pipeline.base.config import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, list and revoke API keys.")


@app.command()
@command
def new(
    workspace: "Workspace",
    *,
    name: Annotated[str, typer.Option("--name", help="Who uses the key.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="predict, feedback, label or admin; repeat it for several.")
    ],
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Days until it expires.", show_default=False)
    ] = None,
) -> tuple[object, str]:
    """Create a key and show it once.  Example: tonewatch keys new --name shop --scope predict."""
    from pipeline.operations import api_keys

    key = api_keys.new_key(workspace, name=name, scopes=scope, days=days)
    return key, (
        f"{key['key']}\nStore it: it is not shown again. "
        f"Send it as `Authorization: Bearer KEY`; its id is {key['id']}."
    )


@app.command("list")
@command
def list_keys(workspace: "Workspace") -> tuple[object, str]:
    """List the keys without their secrets.  Example: tonewatch keys list."""
    from pipeline.cli import printing
    from pipeline.operations import api_keys

    records = api_keys.list_keys(workspace)
    return records, printing.keys(records)


@app.command()
@command
def revoke(
    workspace: "Workspace",
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a key, as `keys list` shows it.")],
) -> tuple[object, str]:
    """Revoke a key; the next request with it is rejected.  Example: tonewatch keys revoke 1f2e3d4c."""
    from pipeline.operations import api_keys

    key = api_keys.revoke_key(workspace, key_id)
    return key, f"Revoked: {key['id']} ({key['name']}), at {key['revoked']}."
