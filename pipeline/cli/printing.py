"""Results of the commands as text for people."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import read_yaml
from pipeline.base.documents import ReignRecord, ReleaseDetails, ReleaseRecord, Scores
from pipeline.base.spreadsheet import inert
from pipeline.base.tasks.scores import score_key, score_of, score_title
from pipeline.cli.tables import table

if TYPE_CHECKING:
    from pipeline.io.versioning.version_diff import VersionDiff
    from pipeline.operations.api_keys import KeyRecord
    from pipeline.operations.doctor import Diagnosis
    from pipeline.operations.prune import PruneResult
    from pipeline.operations.retrain import RetrainResult
    from pipeline.release.promote import MovePreview, MoveResultRecord
    from pipeline.release.verify import VerifiedLedger

REIGN_COLUMNS = ("sequence", "time", "until", "from", "to", "kind", "actor", "reason")


def run(result: "RetrainResult", workspace: Workspace) -> str:
    """Format how a run ended in at most 15 lines: release, metrics, gate and what to type next."""
    record, ran = result["document"], result["ran"]
    name = record["release"]
    head = f"Ran {', '.join(ran)}." if ran else "Nothing changed: every stage was skipped."
    if result["waiting"]:
        state = f"is accepted and waits for approval: tonewatch release approve {name} --reason ..."
    else:
        state = "is in service." if result["moved"] else "stays in service."
    metrics = table(_metrics(record), header=_metrics_header(record))
    rows = ["", *record["account"]] if ran and record.get("account") else []
    parts = (f"{name} {state} {_lineage(record)}", "", metrics, "", _gate(record), "", _next(workspace))
    return "\n".join([head, *rows, *parts])


def release(record: ReleaseRecord) -> str:
    """Format what a release is made of, its metrics beside the baselines and every check of the gate."""
    sources = [
        (f"  {name}", f"{score_of(scores):.3f}", "", *_accuracy(scores))
        for name, scores in record["metrics"]["per_source"].items()
    ]
    metrics = table([*_metrics(record), *sources], header=_metrics_header(record))
    decision = record["decision"]
    # A record of an early version has reasons and no checks.
    checks: list[tuple[str, ...]] = [(reason,) for reason in decision["reasons"]]
    if decision["checks"]:
        marks = [("ok" if check["passed"] else "!!", check) for check in decision["checks"]]
        checks = [(mark, check["name"], check["sentence"]) for mark, check in marks]
    head = f"{record['release']}: {_lineage(record)}"
    return "\n".join((head, "", metrics, *_published(record), "", _gate(record), table(checks, indent=2)))


def _published(record: ReleaseRecord) -> list[str]:
    """Return the figure to publish, and how many looks at the test split are left, where they are known."""
    lines = []
    if published := record.get("published"):
        low, high = published["intervals"][score_key(published)]
        figure = f"{score_title(published)} {score_of(published):.3f} ({low:.3f} to {high:.3f})"
        lines.append(f"To publish: {figure}, on {published['texts']:,} reserved texts.")
    if looks := cast(ReleaseDetails, record).get("looks"):
        lines.append(looks["sentence"])
    return ["", *lines] if lines else []


def reigns(rows: Sequence[ReignRecord]) -> str:
    """Write who served from when until when."""
    if not rows:
        return "No release has been in service. Train one with `tonewatch run`."
    columns = ("sequence", "time", "until", "from", "to", "actor", "reason")
    return table(_cells(rows, columns, until="now"), header=("no.", *columns[1:]))


def reigns_csv(rows: Sequence[ReignRecord]) -> str:
    """Write who served when as CSV; a cell that a spreadsheet would evaluate is quoted as text."""
    import csv
    import io

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(REIGN_COLUMNS)
    for row in rows:
        values: Mapping[str, object] = row
        writer.writerow([_csv_cell(values[column]) for column in REIGN_COLUMNS])
    return file.getvalue().rstrip("\n")


def version_diff(diff: "VersionDiff") -> str:
    """Format what changed between two data versions: counts, and the ids of a few texts."""
    lines = [f"From {diff.old} to {diff.new}: {diff.unchanged:,} texts unchanged."]
    for kind, count in diff.counts.items():
        examples = f", such as {', '.join(diff.examples[kind])}" if count else ""
        lines.append(f"{kind:<11} {count:>9,}{examples}")
    for change, count in (*diff.labels.items(), *diff.splits.items()):
        lines.append(f"  {change}: {count:,}")
    return "\n".join(lines)


def move(result: "MoveResultRecord") -> str:
    """Format a move of the champion, and what could not follow it yet."""
    head = f"{result['to']} is in service (before: {result['from'] or 'none'})"
    if not result["pending"]:
        return f"{head}, with its model and data."
    waiting = [f"Pending: {reason}" for reason in result["pending"]]
    return "\n".join([f"{head}.", *waiting, "Once that is settled, type `tonewatch release reconcile`."])


def move_preview(preview: "MovePreview") -> str:
    """Format the steps that a move would take."""
    head = (
        f"This would put {preview['to']} in service (now: {preview['from'] or 'none'}). Nothing was changed."
    )
    return "\n".join([head, *preview["steps"], *(f"Would wait: {reason}" for reason in preview["pending"])])


def verification(result: "VerifiedLedger") -> str:
    """Format what was verified."""
    names = ", ".join(result["releases"]) or "No release"
    text = f"{names}: verified. Moves: {result['moves']}. Head of the ledger: {result['head'][:16]}."
    if result["working"]:
        text += f" What follows the ledger was not checked: process {result['working']} is working here."
    return text


def keys(records: "Sequence[KeyRecord]") -> str:
    """Format API keys without their secrets."""
    if not records:
        return (
            "There is no API key yet; `tonewatch serve` makes one. Create others with `tonewatch keys new`."
        )
    columns = ("id", "name", "scopes", "created", "expires", "revoked")
    rows = [{**key, "scopes": " ".join(key["scopes"])} for key in records]
    return table(_cells(rows, columns), header=columns)


def diagnosis(result: "Diagnosis") -> str:
    """Format versions, places and checks of a workspace."""
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in result["versions"].items())
    places = [(name, place) for name, place in result["places"].items() if place]
    checks = [
        ("ok" if check["ok"] else "!!", check["name"], f"{check['message']} {check['action']}".strip())
        for check in result["checks"]
    ]
    return "\n\n".join((f"Python {result['python']}, {versions}", table(places, indent=2), table(checks)))


def pruned(result: "PruneResult") -> str:
    """Format what was, or would be, removed: the count and the size of each kind."""
    sizes: dict[str, list[int]] = {}
    for one in result["removed"]:
        sizes.setdefault(one["kind"], []).append(one["bytes"])
    rows = [(kind, str(len(each)), f"{sum(each) / 1e6:.1f} MB") for kind, each in sizes.items()]
    rows.append(("all", str(len(result["removed"])), f"{result['bytes'] / 1e6:.1f} MB"))
    kept = f"Kept: {', '.join([*result['releases'], *result['data_versions']]) or 'nothing to keep yet'}."
    head = "This would remove (nothing was changed):" if result["dry_run"] else "Removed:"
    return "\n".join((kept, head, table(rows, indent=2)))


def data_versions(versions: Sequence[Mapping[str, object]]) -> str:
    """Write data versions, one a row."""
    if not versions:
        return "There is no data version yet. Create one with `tonewatch run`."
    columns: tuple[str, ...] = ("name", "rows", "fingerprint", "parent", "reason")
    rows = [{**version, "fingerprint": str(version["fingerprint"])[:12]} for version in versions]
    if any("forgotten" in version for version in versions):
        columns = (*columns, "forgotten")
        rows = [{"forgotten": "", **row} for row in rows]
    return table(_cells(rows, columns), header=("version", "texts", *columns[2:]))


def fields(document: Mapping[str, object]) -> str:
    """Format a record, one field a row."""
    return table([(name, _value(value)) for name, value in document.items()])


def _lineage(record: ReleaseRecord) -> str:
    code = record["code_commit"][:20]
    return f"Data {record['data_version']}, model version {record['model_version']}, code {code}."


def _metrics_header(record: ReleaseRecord) -> tuple[str, ...]:
    confidence = read_yaml(record["params"])["evaluate"]["confidence"]
    names = ("model", score_title(record["evaluation"]), f"{confidence:.0%} interval", "accuracy")
    return names if "accuracy" in record["evaluation"] else names[:-1]


def _metrics(record: ReleaseRecord) -> list[tuple[str, ...]]:
    baselines = sorted(record["evaluation"]["baselines"].items())
    models = [(record["release"], record["evaluation"]), *baselines]
    rows: list[tuple[str, ...]] = []
    for name, scores in models:
        low, high = scores["intervals"][score_key(scores)]
        interval = f"{low:.3f} to {high:.3f}"
        rows.append((name, f"{score_of(scores):.3f}", interval, *_accuracy(scores)))
    return rows


def _accuracy(scores: Scores) -> tuple[str, ...]:
    """Return the accuracy, nothing where there are no labels."""
    return (f"{scores['accuracy']:.3f}",) if "accuracy" in scores else ()


def _gate(record: ReleaseRecord) -> str:
    decision = record["decision"]
    verdict = "accepted" if decision["accepted"] else "refused"
    passed, count = sum(check["passed"] for check in decision["checks"]), len(decision["checks"])
    return f"Gate: {verdict}, {passed} of {count} checks passed." if count else f"Gate: {verdict}."


def _next(workspace: Workspace) -> str:
    home = os.path.relpath(workspace.home)
    # An address that somebody set may hold a password: show the variable instead.
    embedded = str(workspace.home) in workspace.mlflow
    tracking = f"sqlite:///{home}/mlflow.db" if embedded else '"$MLFLOW_TRACKING_URI"'
    # Each line works as shown: `make run` puts nothing on the path.
    program = "" if shutil.which("tonewatch") else f"{os.path.relpath(Path(sys.executable).parent)}/"
    commands = [
        (f"{program}tonewatch release show", "every check of the gate, metrics by source"),
        (f"{program}tonewatch report", "the same and more as an HTML page"),
        (f'{program}tonewatch predict "not bad at all"', "labels from the champion"),
        (f"{program}mlflow ui --backend-store-uri {tracking}", "runs and the model registry"),
    ]
    return "\n".join(["Next:", table(commands, indent=2)])


def _cells(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], **empty: str
) -> list[tuple[str, ...]]:
    """Return the columns of rows as text; `empty` is what to write for a missing value, by default a dash."""
    return [tuple(str(row[name] or empty.get(name, "-")) for name in columns) for row in rows]


def _csv_cell(value: object) -> object:
    return inert(value) if isinstance(value, str) else value


def _value(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items())
    return str(value)
