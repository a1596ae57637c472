"""`tonewatch data`: the versions of the data, and texts to be forgotten."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import (
    DebugOption,
    JsonOption,
    LabelsFromOption,
    LabelsOption,
    ReasonOption,
    command,
    print_result,
)

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.operations.tables.inspection import TableInspection

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Inspect a table; list, show and roll back versions of the data; forget texts.",
)
OutOption = Annotated[Path | None, typer.Option("--out", help="Where to write the page.", show_default=False)]
VersionArgument = Annotated[str | None, typer.Argument(help="A data version, as v1.")]


@app.command("list")
@command
def list_versions(workspace: "Workspace") -> tuple[object, str]:
    """List the data versions, newest first.  Example: tonewatch data list."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    versions = data_versions.marked_versions(workspace.root)
    return versions, printing.data_versions(versions)


@app.command("show")
@command
def show_version(workspace: "Workspace", name: VersionArgument = None) -> tuple[object, str]:
    """Show one data version, by default the newest.  Example: tonewatch data show v1."""
    from pipeline.cli import printing
    from pipeline.operations import data_versions

    card = data_versions.data_card(workspace, name)
    return card, printing.fields(card)


@app.command()
@command
def diff(
    workspace: "Workspace",
    old: VersionArgument = None,
    new: Annotated[str | None, typer.Argument(help="A later one; by default the newest.")] = None,
) -> tuple[object, str]:
    """Compare two data versions, by default the newest two.  Example: tonewatch data diff v1 v2."""
    from dataclasses import asdict

    from pipeline.cli import printing
    from pipeline.operations import data_versions

    difference = data_versions.diff_versions(workspace.root, old, new)
    return asdict(difference), printing.version_diff(difference)


@app.command()
@command
def forget(
    workspace: "Workspace",
    requests: Annotated[
        list[str] | None, typer.Argument(help="Ids of requests, as /v1/predict returned them.")
    ] = None,
    *,
    ids: Annotated[list[str] | None, typer.Option("--id", help="The id of a record.")] = None,
    matches: Annotated[
        list[str] | None, typer.Option("--match", metavar="TEXT", help="What a text contains, in any case.")
    ] = None,
    subjects: Annotated[
        list[str] | None, typer.Option("--subject", metavar="KEY", help="A group, an author or a client.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> tuple[object, str]:
    """Erase requests, or records everywhere.  Example: tonewatch data forget --id movie:7 --dry-run."""
    from dataclasses import asdict

    from pipeline.operations import forgetting

    report = forgetting.forget(
        workspace,
        requests or (),
        ids=ids or (),
        matches=matches or (),
        subjects=subjects or (),
        dry_run=dry_run,
    )
    return asdict(report), "\n".join(report.sentences())


@app.command()
@command
def relabel(
    workspace: "Workspace",
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns id and label, or corrected.")],
) -> tuple[object, str]:
    """Keep corrected labels for the next run.  Example: tonewatch data relabel likely_wrong.csv."""
    from dataclasses import asdict

    from pipeline.operations.relabel import relabel as keep_labels

    report = keep_labels(workspace, file)
    return asdict(report), "\n".join(report.sentences())


@app.command()
@command
def rollback(
    workspace: "Workspace", name: VersionArgument = None, reason: ReasonOption = "tonewatch data rollback"
) -> tuple[object, str]:
    """Check out and pin a data version, by default the previous.  Example: tonewatch data rollback v1."""
    from pipeline.operations import data_versions

    version = data_versions.rollback_data(workspace.root, name, reason).as_dict()
    return version, (
        f"Data version {version['name']} is checked out and pinned in params.yaml (data.version).\n"
        "`tonewatch run` trains on it; `tonewatch run --set data.version=newest` collects again."
    )


@app.command()
@command
def report(workspace: "Workspace", name: VersionArgument = None, out: OutOption = None) -> tuple[object, str]:
    """Write the HTML page of a data version, by default the newest.  Example: tonewatch data report v2."""
    from pipeline.operations.data.report import write_report

    page = write_report(workspace, name, out)
    return {"report": str(page)}, f"Page: {page}"


@app.command()
@command
def verify(workspace: "Workspace") -> tuple[object, str]:
    """Read every copy of the data versions and repair what is changed.  Example: tonewatch data verify."""
    from dataclasses import asdict

    from pipeline.operations.data import remotes

    report = remotes.verify_data(workspace)
    return asdict(report), "\n".join(report.sentences())


@app.command()
@command
def remote(
    workspace: "Workspace",
    address: Annotated[str, typer.Argument(help="A folder, or as s3://bucket/folder.")],
    name: Annotated[str, typer.Option(help="Its name in .dvc/config.")] = "store",
    endpoint: Annotated[str | None, typer.Option(help="The URL of an S3 that is not Amazon's.")] = None,
) -> tuple[object, str]:
    """Push the data versions to a DVC remote from now on.  Example: tonewatch data remote s3://mine/data."""
    from pipeline.operations.data import remotes

    versions = remotes.use_remote(workspace, address, name=name, endpoint=endpoint)
    return {"remote": name, "versions": versions}, (
        f"The DVC remote {name} is {address}; every read of it is verified. It holds "
        f"{', '.join(versions) or 'no data version yet'}, and each run pushes the version that it makes."
    )


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A table of any kind that `collect` reads.")],
    labels_from: LabelsFromOption = None,
    labels: LabelsOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what a table holds, before anything is made of it.  Example: tonewatch data inspect texts.csv."""
    from pipeline.base import logs
    from pipeline.operations.tables.inspection import inspect_table

    logs.configure(json=json, debug=debug)
    found = inspect_table(file, labels_path=labels_from, only_labels=_names(labels))
    print_result(found.as_dict(), json=json, text=_described(found))


def init_from(folder: Path, file: Path, labels_from: Path | None, labels: str | None) -> tuple[object, str]:
    """Make a workspace around a table; return what was found as a document and as text."""
    from pipeline.operations.tables.first_params import init_from_table
    from pipeline.operations.tables.inspection import inspect_table

    found = inspect_table(file, labels_path=labels_from, only_labels=_names(labels))
    params = init_from_table(folder, found)
    document = {"workspace": str(folder), "inspection": found.as_dict(), "fitted": params.fitted}
    text = _described(found, {"Fitted to this table": list(params.fitted)})
    return document, (
        f"{text}\n\n{folder} is a workspace. Review its params.yaml, then type:\n"
        f"  cd {folder} && tonewatch run"
    )


def _described(found: "TableInspection", more: Mapping[str, list[str]] | None = None) -> str:
    from pipeline.cli.tables import table
    from pipeline.operations.tables import description

    lines = [table(description.fields(found))]
    for heading, sentences in (description.paragraphs(found) | dict(more or {})).items():
        if sentences:
            lines += ["", f"{heading}:", *(f"  - {sentence}" for sentence in sentences)]
    return "\n".join(lines)


def _names(labels: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (labels or "").split(",") if name.strip())
