"""`tonewatch release`: which release is in service, since when and why, and the moves between releases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    PENDING,
    ActorOption,
    CommandResult,
    DebugOption,
    JsonOption,
    ReasonOption,
    WorkspaceOption,
    command,
    open_workspace,
    print_result,
)

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.release.promote import MoveResult

Result = tuple[object, str] | CommandResult

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, approve, promote, roll back, verify and reconcile releases.",
)
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the steps and change nothing.")]


@app.command("list")
def list_reigns(
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Write the timeline as an HTML page.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write that page.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List who was champion when and why, newest first.  Example: tonewatch release list --plot."""
    from pipeline.cli import printing
    from pipeline.release import reports

    if csv and (json or plot):
        raise typer.BadParameter("--csv excludes --json and --plot")
    if out and not plot:
        raise typer.BadParameter("--out is where --plot writes its page; add --plot")
    opened = open_workspace(workspace, json=json, debug=debug)
    if plot:
        page = str(reports.write_history(opened, out))
        print_result({"history": page}, json=json, text=f"Page: {page}")
        return
    reigns = reports.history(opened)
    text = printing.reigns_csv(reigns) if csv else printing.reigns(reigns)
    print_result(reigns, json=json, text=text)


@app.command("show")
@command
def show_release(
    workspace: "Workspace",
    name: Annotated[str | None, typer.Argument(help="A release, as R1; by default the champion.")] = None,
) -> Result:
    """Show lineage, metrics and gate checks of a release.  Example: tonewatch release show --json."""
    from pipeline.cli import printing
    from pipeline.release import reports

    record = reports.show_release(workspace, name)
    return record, printing.release(record)


@app.command()
@command
def promote(
    workspace: "Workspace",
    name: Annotated[str, typer.Argument(help="The release to put in service, as R2.")],
    *,
    actor: ActorOption,
    reason: ReasonOption = "tonewatch release promote",
    dry_run: DryRunOption = False,
) -> Result:
    """Put an accepted release in service.  Example: tonewatch release promote R2 --reason "after the fix"."""
    from pipeline.cli import printing
    from pipeline.release import promote as moves

    if dry_run:
        preview = moves.preview_move(workspace, name, back=False)
        return preview, printing.move_preview(preview)
    return _moved(moves.promote(workspace, name, actor=actor, reason=reason))


@app.command()
@command
def approve(
    workspace: "Workspace",
    name: Annotated[str, typer.Argument(help="The release that waits for approval, as R2.")],
    *,
    actor: ActorOption,
    reason: Annotated[
        str, typer.Option("--reason", help="Why it may serve; recorded in the ledger.", show_default=False)
    ],
) -> Result:
    """Approve a waiting release and promote it.  Example: tonewatch release approve R2 --reason checked."""
    from pipeline.release import promote as moves

    return _moved(moves.approve(workspace, name, actor=actor, reason=reason))


@app.command()
@command
def rollback(
    workspace: "Workspace",
    *,
    actor: ActorOption,
    to: Annotated[str | None, typer.Option("--to", help="A release; by default the previous one.")] = None,
    reason: ReasonOption = "tonewatch release rollback",
    dry_run: DryRunOption = False,
) -> Result:
    """Return to the previous release, its data and params.  Example: tonewatch release rollback."""
    from pipeline.cli import printing
    from pipeline.release import promote as moves

    if dry_run:
        preview = moves.preview_move(workspace, to, back=True)
        return preview, printing.move_preview(preview)
    return _moved(moves.rollback(workspace, to=to, actor=actor, reason=reason))


@app.command()
@command
def verify(
    workspace: "Workspace",
    name: Annotated[
        str | None, typer.Argument(help="A release, as R1; by default all, and what follows the ledger.")
    ] = None,
) -> Result:
    """Verify hash chain, decisions, files and signatures.  Example: tonewatch release verify R2."""
    from pipeline.cli import printing
    from pipeline.release.verify import verify_releases

    result = verify_releases(workspace, name)
    return result, printing.verification(result)


@app.command()
@command
def reconcile(workspace: "Workspace") -> Result:
    """Make aliases, copy and work tree follow the ledger; exit 3 while any cannot.

    Example: tonewatch release reconcile.
    """
    from pipeline.release import reconcile as projections

    result = projections.repair(workspace)
    document = {"repaired": result.done, "left": result.left, "pending": result.pending}
    text = "\n".join(result.sentences()) or "Everything follows the ledger."
    return CommandResult(document, text, PENDING if result.pending else 0)


def _moved(result: "MoveResult") -> CommandResult:
    from pipeline.cli import printing

    document = result.as_dict()
    return CommandResult(document, printing.move(document), PENDING if result.pending else 0)
