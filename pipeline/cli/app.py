"""`tonewatch`: the app, and the commands init, run, stage, predict and report."""

import importlib
import os
import sys
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.errors import UsageError
from pipeline.cli import data, doctor, keys, labels, release, schedule, serve, tune, watch
from pipeline.cli.options import (
    ActorOption,
    DebugOption,
    JsonOption,
    LabelsFromOption,
    LabelsOption,
    ProfileOption,
    ReasonOption,
    command,
    print_result,
)

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.operations.retrain import RetrainResult

Result = tuple[object, str]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="A table (.csv, .tsv, .jsonl, .parquet; text also .gz), or one text per line; - for stdin.",
        allow_dash=True,
    ),
]
ColumnOption = Annotated[
    str | None, typer.Option("--column", help="The column of texts; by default `text`, or the only one.")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="What the texts speak of, where the task is `aspect`.")
]
TargetColumnOption = Annotated[
    str | None,
    typer.Option("--target-column", help="The column of targets of a table; by default `target`."),
]
ExplainOption = Annotated[
    str | None,
    typer.Option("--explain", metavar="METHOD", help="Importance of words: occlusion or gradients."),
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="An MLOps pipeline for sentiment monitoring: train, evaluate, release, serve, monitor, retrain.",
)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder; created if it is missing.")],
    *,
    preset: Annotated[
        str,
        typer.Option(
            help="english: the default data · mpnet: it, from a larger encoder · zh: Chinese reviews, from "
            "scratch · csv: a table of your own."
        ),
    ] = "english",
    table: Annotated[
        Path | None,
        typer.Option("--from", help="A table of your own: params.yaml is filled in by what it holds."),
    ] = None,
    labels_from: LabelsFromOption = None,
    labels: LabelsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Create a workspace.  Example: tonewatch init reviews --from reviews.csv."""
    from pipeline.base import logs
    from pipeline.operations.workspace import init_workspace

    logs.configure(json=json, debug=debug)
    if table is not None:
        document, text = data.init_from(folder.resolve(), table, labels_from, labels)
        print_result(document, json=json, text=text)
        return
    if labels_from or labels:
        raise UsageError("`--labels-from` and `--labels` belong to a table: name it with `--from FILE`.")
    root = init_workspace(folder.resolve(), preset)
    text = f"{root} is a workspace. Review its params.yaml, then type:\n  cd {root} && tonewatch run"
    print_result({"workspace": str(root), "preset": preset}, json=json, text=text)


@app.command()
@command
def run(
    workspace: "Workspace",
    *,
    actor: ActorOption,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Write a value into params.yaml first."),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", help="Write the values of this file first, as `tonewatch tune` makes one."),
    ] = None,
    profile: ProfileOption = "laptop",
    reason: ReasonOption = "tonewatch run",
) -> Result:
    """Train, evaluate and release what changed.  Example: tonewatch run --set finetune.epochs=3."""
    from pipeline.cli import printing
    from pipeline.operations.retrain import change_params, open_context, up_to_date_release

    context = open_context(workspace, profile)
    changes = [*tune.overlay_values(overlay), *(assignments or [])]
    if changes:
        for sentence in change_params(workspace, changes):
            typer.echo(sentence, err=True)
        context = open_context(workspace, profile)
    if record := up_to_date_release(context):
        result: RetrainResult = {"document": record, "ran": [], "moved": None, "waiting": False}
    else:
        from flows.prefect_server import prefect_server

        with prefect_server(workspace, os.environ, pages=False, meanwhile=_import_flow):
            result = _import_flow().retrain(str(workspace.root), profile=profile, actor=actor, reason=reason)
    return result, printing.run(result, workspace)


def _import_flow() -> ModuleType:
    """Return flows.retrain: to import Prefect takes as long as to start its server."""
    return importlib.import_module("flows.retrain")


@app.command()
@command
def stage(
    workspace: "Workspace",
    name: Annotated[str, typer.Argument(help="A stage of dvc.yaml, as clean.")],
    profile: ProfileOption = "laptop",
) -> Result:
    """Run one stage, as dvc.yaml does.  Example: tonewatch stage clean."""
    from pipeline.base.data_account import DataAccount
    from pipeline.operations.retrain import open_context, run_stage_by_hand

    receipt = run_stage_by_hand(open_context(workspace, profile), name)
    if account := DataAccount.of_notes(receipt.notes):
        return asdict(receipt), "\n".join(account.lines())
    counts = ", ".join(f"{key} {value}" for key, value in receipt.counts.items())
    return asdict(receipt), f"{name}: {counts or 'done'}"


@app.command()
@command
def predict(
    workspace: "Workspace",
    *,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to label.")] = None,
    file: FileOption = None,
    column: ColumnOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the scored table, in any of these formats.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Begins the name of each added column.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --out.")] = False,
    explain: ExplainOption = None,
    target: TargetOption = None,
    target_column: TargetColumnOption = None,
) -> Result:
    """Label texts with the champion.  Example: tonewatch predict --file comments.csv --out scored.parquet."""
    from pipeline.cli import predictions
    from pipeline.inference import batch
    from pipeline.inference import predict as inference

    if out is not None:
        if file is None or texts or explain or target:
            raise UsageError(
                "`--out` takes its texts from one file. Name it with `--file`, without other texts and "
                "without `--explain` and `--target`."
            )
        request = batch.ScoreRequest(file, out, column, target_column, prefix, replace=force)
        scored = batch.score_table(workspace, request, sys.stdin.buffer)
        return asdict(scored), predictions.scored(scored)
    if column or target_column or prefix or force:
        options = "`--column`, `--target-column`, `--prefix` and `--force`"
        raise UsageError(f"{options} need a table to write. Add `--out scored.csv`.")
    lines = [*(texts or []), *(inference.read_lines(file, sys.stdin.buffer) if file else [])]
    if explain is not None:
        from pipeline.inference.explain import explain_texts

        explained = explain_texts(workspace, lines, explain, target)
        return asdict(explained), predictions.explained(explained)
    result = inference.predict(workspace, lines, target)
    return result.records(), predictions.predictions(result)


@app.command()
@command
def report(
    workspace: "Workspace",
    name: Annotated[str | None, typer.Argument(help="A release, as R1; by default the champion.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write the page; the cards go beside it.", show_default=False),
    ] = None,
) -> Result:
    """Write the HTML page of a release, and its card as Markdown and JSON.  Example: tonewatch report R1."""
    from pipeline.release.reports import write_report

    paths = write_report(workspace, name, out).as_dict()
    return paths, f"Page: {paths['report']}\nCard: {paths['markdown']} and {paths['json']}"


@app.command()
@command
def prune(
    workspace: "Workspace",
    *,
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many releases and data versions to keep.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would go and change nothing.")
    ] = False,
) -> Result:
    """Remove what no kept release or data version needs.  Example: tonewatch prune --keep 3 --dry-run."""
    from pipeline.cli import printing
    from pipeline.operations import prune as pruning

    result = pruning.prune(workspace, keep=keep, dry_run=dry_run)
    return result, printing.pruned(result)


app.command()(serve.serve)
app.command()(watch.watch)
app.command()(schedule.schedule)
app.command()(tune.tune)
app.command()(doctor.doctor)
app.add_typer(release.app, name="release")
app.add_typer(data.app, name="data")
app.add_typer(keys.app, name="keys")
app.add_typer(labels.app, name="labels")
