"""`tonewatch labels`: texts drawn for people to label, out to a labelling tool and back in."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.options import CommandResult, account, command
from pipeline.cli.tables import table

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.monitoring.audit_labels import AuditStatus, LabelAgreement

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Label texts that were drawn at random: status, queue, export, import.",
)
TopicOption = Annotated[str, typer.Option("--topic", help="Only this topic.", show_default=False)]
AnnotatorOption = Annotated[
    str,
    typer.Option(
        "--annotator",
        help="Who labels; recorded with each label.",
        default_factory=account,
        show_default=False,
    ),
]
REFUSED = 1
COLUMNS = ("topic", "drawn", "labels", "needed", "waiting")


@app.command()
@command
def status(workspace: "Workspace") -> tuple[object, str]:
    """Say how many labels there are and are needed.  Example: tonewatch labels status."""
    from pipeline.operations.label_exchange import label_status

    document = label_status(workspace)
    return document, _status_text(document)


@app.command()
@command
def queue(
    workspace: "Workspace",
    *,
    annotator: AnnotatorOption,
    topic: TopicOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many texts to list.")] = 20,
) -> tuple[object, str]:
    """List the texts that wait for your label.  Example: tonewatch labels queue --topic phones."""
    from pipeline.monitoring.audit_labels import read_queue

    texts = [asdict(text) for text in read_queue(workspace, annotator, topic=topic, most=limit)]
    return texts, _queue_text(texts)


@app.command("export")
@command
def export_texts(
    workspace: "Workspace",
    *,
    out: Annotated[Path, typer.Option("--out", help="A new file: .csv, .json or .jsonl.")],
    shape: Annotated[
        Literal["table", "label-studio", "argilla"] | None,
        typer.Option("--for", help="By default a table in .csv, Label Studio in .json, Argilla in .jsonl."),
    ] = None,
    topic: TopicOption = "",
    annotator: Annotated[
        str, typer.Option("--annotator", help="Leave out what this person has seen.", show_default=False)
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file at --out.")] = False,
) -> tuple[object, str]:
    """Write the texts that wait for labels to a file.  Example: tonewatch labels export --out tasks.json."""
    from pipeline.operations.label_exchange import export_queue

    count = export_queue(workspace, out, shape=shape, topic=topic, annotator=annotator, replace=force)
    text = f"{out}: {count:,} texts to label." if count else "No text waits for a label. Nothing was written."
    return {"out": str(out), "texts": count}, text


@app.command("import")
@command
def import_file(
    workspace: "Workspace",
    path: Annotated[Path, typer.Argument(help="What a labelling tool exported: .csv, .json or .jsonl.")],
    *,
    annotator: AnnotatorOption,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take a person's new label in place of an older one.")
    ] = False,
) -> CommandResult:
    """Store the labels of a file; exit 1 if a row was refused.  Example: tonewatch labels import done.csv."""
    from pipeline.operations.label_exchange import import_labels

    result = import_labels(workspace, path, annotator=annotator, replace=replace)
    return CommandResult(asdict(result), "\n".join(result.sentences()), REFUSED if result.refused else 0)


def _status_text(document: "AuditStatus") -> str:
    """Write how far each topic is, how far people agree, and what to do next."""
    parts = []
    if document["topics"]:
        rows = [tuple(str(topic[name]) for name in COLUMNS) for topic in document["topics"]]  # type: ignore[literal-required]
        parts.append(table(rows, header=COLUMNS))
    if found := document["agreement"]:
        parts.append(f"Two people agree on {_agreement_text(found)}.")
        parts += [f"  {label}: {_agreement_text(one)}." for label, one in found.get("labels", {}).items()]
    return "\n".join([*parts, *document["sentences"]])


def _agreement_text(found: "LabelAgreement") -> str:
    kappa = "" if found["kappa"] is None else f", Cohen's kappa {found['kappa']:.2f}"
    return (
        f"{found['share']:.0%} of {found['texts']:,} texts ({found['low']:.0%} to {found['high']:.0%}){kappa}"
    )


def _queue_text(texts: Sequence[Mapping[str, object]]) -> str:
    """Write the texts that wait, one a row, as `labels export` names them."""
    if not texts:
        return "No text waits for your label. `tonewatch labels status` says what is drawn."
    rows = [(f"{one['request']}/{one['position']}", str(one["topic"]), str(one["text"])) for one in texts]
    return table(rows, header=("prediction", "topic", "text"))
