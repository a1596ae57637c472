"""`tonewatch release`: what is in service, since when and why, and the moves between releases."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    ActorOption,
    DebugOption,
    JsonOption,
    ReasonOption,
    WorkspaceOption,
    open_workspace,
    print_result,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, approve, promote, roll back, verify and reconcile releases.",
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell the exact moves and change nothing.")]
Name = Annotated[str | None, typer.Argument(help="A release, as R1; the one in service if none is named.")]


@app.command("list")
def list_moves(
    *,
    csv: Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the timeline on a page.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write that page.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the moves of the champion, newest first.  Example: tonewatch release list --plot."""
    from pipeline.cli import printing
    from pipeline.release import reports

    if csv and (json or plot):
        raise typer.BadParameter("--csv goes neither with --json nor with --plot")
    if out and not plot:
        raise typer.BadParameter("--out says where --plot writes its page; add --plot")
    at = open_workspace(workspace, json=json, debug=debug)
    if plot:
        page = str(reports.write_history(at, out))
        print_result({"history": page}, json=json, text=f"The timeline is {page}; open it in a browser.")
        return
    moves = reports.history(at)
    print_result(moves, json=json, text=printing.moves_csv(moves) if csv else printing.moves(moves))


@app.command("show")
def show_release(
    name: Name = None, workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Show a release: what it is made of, its figures, and the gate's decision.  Example: tonewatch release show --json."""
    from pipeline.cli import printing
    from pipeline.release import promote as releases

    document = releases.show(open_workspace(workspace, json=json, debug=debug), name)
    print_result(document, json=json, text=printing.release(document))


@app.command()
def promote(
    name: Annotated[str, typer.Argument(help="The release to put in service, as R2.")],
    *,
    actor: ActorOption,
    reason: ReasonOption = "tonewatch release promote",
    dry_run: DryRun = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Put an accepted release in service.  Example: tonewatch release promote R2 --reason "after the fix"."""
    from pipeline.cli import printing
    from pipeline.release import promote as releases

    at = open_workspace(workspace, json=json, debug=debug)
    if dry_run:
        foreseen = releases.preview_move(at, name, back=False)
        print_result(foreseen, json=json, text=printing.foreseen(foreseen))
        return
    moved = releases.promote(at, name, actor=actor, reason=reason).as_dict()
    print_result(moved, json=json, text=printing.moved(moved))


@app.command()
def approve(
    name: Annotated[str, typer.Argument(help="The release that waits, as R2.")],
    *,
    actor: ActorOption,
    reason: Annotated[
        str, typer.Option("--reason", help="Why it may serve; kept in the ledger.", show_default=False)
    ],
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Let a waiting release serve, and say why.  Example: tonewatch release approve R2 --reason "read 50 answers"."""
    from pipeline.cli import printing
    from pipeline.release import promote as releases

    at = open_workspace(workspace, json=json, debug=debug)
    moved = releases.approve(at, name, actor=actor, reason=reason).as_dict()
    print_result(moved, json=json, text=printing.moved(moved))


@app.command()
def rollback(
    *,
    actor: ActorOption,
    to: Annotated[
        str | None, typer.Option("--to", help="A release; the previous one if none is named.")
    ] = None,
    reason: ReasonOption = "tonewatch release rollback",
    dry_run: DryRun = False,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Go back to the previous release: model, data, thresholds and params together.  Example: tonewatch release rollback."""
    from pipeline.cli import printing
    from pipeline.release import promote as releases

    at = open_workspace(workspace, json=json, debug=debug)
    if dry_run:
        foreseen = releases.preview_move(at, to, back=True)
        print_result(foreseen, json=json, text=printing.foreseen(foreseen))
        return
    moved = releases.rollback(at, to=to, actor=actor, reason=reason).as_dict()
    print_result(moved, json=json, text=printing.moved(moved))


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(help="A release, as R1; all of them and what follows the ledger if none is named."),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check chain, decisions, files and what follows the ledger; one release if named.  Example: tonewatch release verify R2."""
    from pipeline.release.verify import verify_releases as check

    found = check(open_workspace(workspace, json=json, debug=debug), name)
    names = ", ".join(found["releases"]) or "No release"
    unlooked = (
        f" What follows the ledger was left out, since process {found['working']} works here."
        if found["working"]
        else ""
    )
    text = f"{names}: everything holds. Moves: {found['moves']}. Head of the ledger: {found['head'][:16]}.{unlooked}"
    print_result(found, json=json, text=text)


@app.command()
def reconcile(
    workspace: WorkspaceOption = None, json: JsonOption = False, debug: DebugOption = False
) -> None:
    """Repair what should follow the ledger: aliases, local copy, work tree.  Example: tonewatch release reconcile."""
    from pipeline.release import promote as releases

    at = open_workspace(workspace, json=json, debug=debug)
    repaired = releases.reconcile(at)
    print_result(
        {"repaired": repaired},
        json=json,
        text="\n".join(repaired) or "Everything follows the ledger already.",
    )
