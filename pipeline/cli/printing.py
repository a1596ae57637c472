"""Answers as people read them."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.base.config import Workspace

if TYPE_CHECKING:
    from pipeline.inference.predict import Prediction

MOVE_COLUMNS = ("sequence", "time", "until", "from", "to", "kind", "actor", "reason")


def run(result: Mapping[str, Any], at: Workspace) -> str:
    """Tell how a run ended: what ran, the release, and what to type next."""
    document, ran = result["document"], result["ran"]
    name = document["release"]
    if result["waiting"]:
        head = f"{name} is accepted and waits for a person. Type `tonewatch release approve {name} --reason ...`."
    elif not ran and not result["moved"]:
        head = f"Nothing changed: every stage was skipped, there is no new data version, and {name} stays in service."
    else:
        head = f"Ran: {', '.join(ran) or 'nothing'}. {'In service: ' if result['moved'] else 'Still in service: '}{name}."
    return "\n\n".join((head, release(document), _next(at)))


def release(document: Mapping[str, Any]) -> str:
    """Tell what a release is made of, its figures beside the baselines, and the decision."""
    confidence = yaml.safe_load(document["params"])["evaluate"]["confidence"]
    verdict = "accepted" if document["decision"]["accepted"] else "refused"
    made = f"data {document['data_version']} · model version {document['model_version']} · code {document['code_commit'][:20]}"
    figures = [
        ("", "macro F1", f"{confidence:.0%} interval", "accuracy"),
        _row(document["release"], document["metrics"], document["intervals"]),
    ]
    baselines = document["evaluation"]["baselines"]
    figures += [_row(name, row, row["intervals"]) for name, row in sorted(baselines.items())]
    figures += [("", "", "", "")]
    sources = document["metrics"]["per_source"].items()
    figures += [
        (f"  {name}", f"{row['macro_f1']:.3f}", "", f"{row['accuracy']:.3f}") for name, row in sources
    ]
    reasons = [f"  {reason}" for reason in document["decision"]["reasons"]]
    return "\n".join(
        [f"{document['release']}: {made}", "", *_table(figures), "", f"The gate: {verdict}.", *reasons]
    )


def moves(found: Sequence[Mapping[str, Any]]) -> str:
    """Tell the moves of the champion as a table."""
    if not found:
        return "No release was ever in service. Make one with `tonewatch run`."
    rows = [("no.", "time", "until", "from", "to", "actor", "reason")]
    rows += [
        (
            str(m["sequence"]),
            m["time"],
            m["until"] or "now",
            m["from"] or "-",
            m["to"],
            m["actor"],
            m["reason"],
        )
        for m in found
    ]
    return "\n".join(_table(rows))


def moves_csv(found: Sequence[Mapping[str, Any]]) -> str:
    """Write the moves of the champion as CSV; a cell that a spreadsheet would reckon out is marked as words."""
    import csv
    import io

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(MOVE_COLUMNS)
    writer.writerows([_inert(move[column]) for column in MOVE_COLUMNS] for move in found)
    return table.getvalue().rstrip("\n")


def moved(move: Mapping[str, Any]) -> str:
    """Tell one move."""
    lines = [
        f"In service: {move['to']} (before: {move['from'] or 'none'}). Model and data version moved with it."
    ]
    lines += [f"Pending: {why} Type `tonewatch release reconcile`." for why in move["pending"]]
    return "\n".join(lines)


def foreseen(found: Mapping[str, Any]) -> str:
    """Tell what a move would do."""
    lines = [
        f"Would put {found['to']} in service (now: {found['from'] or 'none'}). Nothing was changed.",
        *found["steps"],
    ]
    return "\n".join([*lines, *(f"Would have to wait: {why}" for why in found["pending"])])


def watched(seen: Mapping[str, Any]) -> str:
    """Tell what one pass of the watch found."""
    lines = [
        f"Windows watched: {len(seen['windows'])}."
        + (f" The last began {seen['windows'][-1]}." if seen["windows"] else "")
    ]
    lines += [f"Alert: {title}" for title in seen["alerts"]] or ["No new alert."]
    if seen["moved"]:
        lines.append(
            f"Rolled back from {seen['moved']['from']} to {seen['moved']['to']}: {seen['moved']['reason']}"
        )
    if seen["future"]:
        lines.append(
            f"{seen['future']} answers are dated after {seen['now']} and were left out. Look at the clocks."
        )
    if seen["retrain"]:
        lines.append(f"A new training is due: {seen['retrain']}. Type `tonewatch run`.")
    return "\n".join(lines)


def keys(found: Sequence[Mapping[str, Any]]) -> str:
    """Tell API keys as a table."""
    if not found:
        return (
            "There is no key yet, so the service binds to loopback only. Make one with `tonewatch keys new`."
        )
    rows = [("id", "name", "scopes", "created", "expires", "revoked")]
    rows += [
        (k["id"], k["name"], " ".join(k["scopes"]), k["created"], k["expires"] or "-", k["revoked"] or "-")
        for k in found
    ]
    return "\n".join(_table(rows))


def examined(found: Mapping[str, Any]) -> str:
    """Tell how everything stands that a workspace stands on."""
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in found["versions"].items())
    rows = [("", "check", "")]
    rows += [
        ("ok" if check["ok"] else "!!", check["name"], f"{check['told']} {check['do']}".strip())
        for check in found["checks"]
    ]
    where = [(f"  {name}", str(place)) for name, place in found["places"].items() if place]
    return "\n".join([f"Python {found['python']}, {versions}", "", *_table(where), "", *_table(rows)])


def data_versions(found: Sequence[Mapping[str, Any]]) -> str:
    """Tell data versions as a table."""
    if not found:
        return "There is no data version yet. Make one with `tonewatch run`."
    rows = [("version", "texts", "fingerprint", "parent", "reason")]
    rows += [
        (v["name"], str(v["rows"]), str(v["fingerprint"])[:12], v["parent"] or "-", v["reason"])
        for v in found
    ]
    return "\n".join(_table(rows))


def fields(document: Mapping[str, Any]) -> str:
    """Tell a record, a field a line."""
    return "\n".join(_table([(str(name), _value(value)) for name, value in document.items()]))


def answers(told: "Sequence[Prediction]") -> str:
    """Tell labels with their probabilities."""
    rows = [
        (one.label, " ".join(f"{label} {share:.3f}" for label, share in one.probabilities.items()))
        for one in told
    ]
    return "\n".join([*_table(rows), f"release {told[0].release}, data {told[0].data_version}"])


def _inert(value: Any) -> Any:
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def _value(value: Any) -> str:
    return (
        ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else str(value)
    )


def _row(name: str, figures: Mapping[str, Any], intervals: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    low, high = intervals["macro_f1"]
    return name, f"{figures['macro_f1']:.3f}", f"{low:.3f} to {high:.3f}", f"{figures['accuracy']:.3f}"


def _next(at: Workspace) -> str:
    home = os.path.relpath(at.home)
    # An address that somebody set may hold a password: it is named, not shown.
    tracking = f"sqlite:///{home}/mlflow.db" if str(at.home) in at.mlflow else '"$MLFLOW_TRACKING_URI"'
    # Typed as shown, each line works: `make run` puts nothing on the path.
    here = "" if shutil.which("tonewatch") else f"{os.path.relpath(Path(sys.executable).parent)}/"
    rows = [
        (f"  {here}tonewatch report", "the HTML page of this release"),
        (f'  {here}tonewatch predict "not bad at all"', "labels from the release in service"),
        (f"  {here}tonewatch release list", "who was in service when, and why"),
        (f"  {here}mlflow ui --backend-store-uri {tracking}", "models and runs"),
        (f"  PREFECT_HOME={home}/prefect {here}prefect server start", "flows and decision cards"),
    ]
    return "\n".join(["Next:", *_table(rows)])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
