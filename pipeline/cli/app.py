"""`tonewatch`: the commands that do the work; `data` and `release` have files of their own."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli import data, doctor, keys, release, schedule, serve, watch
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
    add_completion=False,
    rich_markup_mode=None,
    help="Watch the tone of what people write.",
)
app.add_typer(data.app, name="data")
app.add_typer(release.app, name="release")
app.add_typer(keys.app, name="keys")
app.command()(serve.serve)
app.command()(watch.watch)
app.command()(schedule.schedule)
app.command()(doctor.doctor)

Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Write a value into params.yaml first."),
]
ProfileName = Annotated[
    str, typer.Option("--profile", help="laptop, gpu or cluster: what the machine offers.")
]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder; made if it is missing.")],
    preset: Annotated[
        str, typer.Option(help="english: the default data · csv: a table of your own.")
    ] = "english",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a fresh workspace.  Example: tonewatch init reviews --preset csv."""
    from pipeline.base import logs
    from pipeline.operations.workspace import init_workspace

    logs.configure(json=json, debug=debug)
    made = init_workspace(folder.resolve(), preset)
    text = f"{made} is a workspace. Look at its params.yaml, then type:\n  cd {made} && tonewatch run"
    print_result({"workspace": str(made), "preset": preset}, json=json, text=text)


@app.command()
def run(
    *,
    actor: ActorOption,
    assignments: Assignments = None,
    profile: ProfileName = "laptop",
    reason: ReasonOption = "tonewatch run",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take texts from their sources to a promoted release.  Example: tonewatch run --set finetune.epochs=3."""
    from pipeline.cli import printing
    from pipeline.io.params_file import load_params, load_profile
    from pipeline.operations.retrain import change_params, up_to_date_release
    from pipeline.stages.context import StageContext

    at = open_workspace(workspace, json=json, debug=debug)
    load_params(at.params)
    for sentence in change_params(at, assignments) if assignments else []:
        typer.echo(sentence, err=True)
    result: dict[str, Any]
    if document := up_to_date_release(StageContext(at, load_profile(profile))):
        result = {"document": document, "ran": [], "moved": None, "waiting": False}
    else:
        # The one door that opens another: `run` is the Prefect flow, and Prefect is imported only here and by `schedule`.
        from flows.retrain import retrain

        result = retrain(str(at.root), profile=profile, actor=actor, reason=reason)
    print_result(result, json=json, text=printing.run(result, at))


@app.command()
def stage(
    name: str,
    profile: ProfileName = "laptop",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run one stage by hand, as dvc.yaml does.  Example: tonewatch stage clean."""
    import dataclasses

    from pipeline.io.params_file import load_profile
    from pipeline.operations.retrain import run_stage_by_hand
    from pipeline.stages.context import StageContext

    at = StageContext(open_workspace(workspace, json=json, debug=debug), load_profile(profile))
    receipt = dataclasses.asdict(run_stage_by_hand(at, name))
    counts = ", ".join(f"{key} {value}" for key, value in receipt["counts"].items())
    print_result(receipt, json=json, text=f"{name}: {counts or 'done'}")


@app.command()
def predict(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to label.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="A file with one text a line; - for standard input.", allow_dash=True),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Label texts with the champion.  Example: tonewatch predict "not bad at all"."""
    from pipeline.cli import printing
    from pipeline.inference.predict import predict as answer
    from pipeline.inference.predict import read_lines

    at = open_workspace(workspace, json=json, debug=debug)
    lines = read_lines(file, sys.stdin.buffer) if file else []
    told = answer(at, [*(texts or []), *lines])
    print_result([asdict(one) for one in told], json=json, text=printing.answers(told))


@app.command()
def report(
    name: Annotated[
        str | None, typer.Argument(help="A release, as R1; the one in service if none is named.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write the page; the cards go beside it.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the page of a release, and its card as Markdown and JSON.  Example: tonewatch report R1."""
    from pipeline.release.reports import write_report

    written = write_report(open_workspace(workspace, json=json, debug=debug), name, out).as_dict()
    text = f"The report is {written['report']}; open it in a browser.\nIts card: {written['markdown']} and {written['json']}"
    print_result(written, json=json, text=text)
