"""`tonewatch watch`: one pass of monitoring over the windows that have ended, or over the past."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.errors import UsageError
from pipeline.cli.options import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.base.config import Workspace
    from pipeline.base.documents import WatchSummary
    from pipeline.monitoring.past.history import History
    from pipeline.monitoring.past.replay import ReplaySummary


NowOption = Annotated[
    str | None,
    typer.Option("--now", help="The UTC time to watch at, as 2026-11-25T08:00:00Z.", show_default=False),
]
SinceOption = Annotated[
    str | None, typer.Option("--from", help="Report the past from this UTC time on.", show_default=False)
]
UntilOption = Annotated[
    str | None, typer.Option("--to", help="Up to this UTC time; with --from.", show_default=False)
]
TableOption = Annotated[
    Path | None,
    typer.Option(
        "--file",
        exists=True,
        dir_okay=False,
        help="Report a table of past texts: predict them, each at its own time.",
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns", help="With --file: text=COLUMN,time=COLUMN, and topic, id, target; else found out."
    ),
]


@command
def watch(
    workspace: "Workspace",
    now: NowOption = None,
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    file: TableOption = None,
    columns: ColumnsOption = None,
) -> tuple[object, str]:
    """Measure prevalence, drift and quality of new windows, and send alerts.  Example: tonewatch watch."""
    from pipeline.monitoring.past.replay import replay_watch
    from pipeline.monitoring.watch import run_watch

    if file is not None:
        return _file(workspace, file, columns or "", span=(since, until), now=now)
    if columns is not None:
        raise UsageError("--columns belongs to --file, as --file history.csv --columns text=body,time=when.")
    if since is None and until is None:
        summary = run_watch(workspace, now=now)
        return summary, _pass(summary)
    if since is None or until is None:
        raise UsageError(
            "--from and --to go together, as --from 2026-01-01T00:00:00Z --to 2026-11-25T00:00:00Z."
        )
    replayed = replay_watch(workspace, since=since, until=until, now=now)
    return replayed, _replayed(replayed)


def _file(
    workspace: "Workspace", path: Path, columns: str, *, span: tuple[str | None, str | None], now: str | None
) -> tuple[object, str]:
    """Report a table of past texts."""
    from dataclasses import asdict

    from pipeline.monitoring.past.history import HistoryRequest
    from pipeline.monitoring.past.replay import parse_span, replay_file

    request = HistoryRequest(path, _columns(columns), *parse_span(*span))
    history, replayed = replay_file(workspace, request, now=now)
    lines = list(_history(history))
    lines.append(_replayed(replayed) if replayed else "No window is new, so nothing is reported.")
    return {"history": asdict(history), "replay": replayed}, "\n".join(lines)


def _columns(text: str) -> dict[str, str]:
    """Return the column of each field, from text=body,time=when."""
    columns = {}
    for pair in filter(None, text.split(",")):
        field, sign, column = pair.partition("=")
        if not sign or field.strip() not in ("text", "time", "topic", "id", "target"):
            raise UsageError(
                f"--columns {pair!r} is no pair of a field (text, time, topic, id, target) and a column. "
                "Write it as --columns text=body,time=when."
            )
        columns[field.strip()] = column.strip()
    return columns


def _history(history: "History") -> "Iterator[str]":
    """Say what was read of a table, and what not, and why."""
    used = ", ".join(f"{field} from {column!r}" for field, column in history.columns.items())
    yield f"Rows: {history.rows:,}, of which {history.predicted:,} were predicted ({used})."
    left_out = (
        (history.unreadable, "cannot be read"),
        (history.without_text, "without a text or its target"),
        (history.without_time, "without a time that can be read"),
        (history.outside, "outside of --from and --to, or in the future"),
        (history.reported, "in windows that have a report, which stays as it is"),
    )
    for number, why in left_out:
        if number:
            yield f"  left out: {number:,} {why}"
    if history.renamed:
        shown = ", ".join(f"{written!r} as {name}" for written, name in list(history.renamed.items())[:5])
        yield f"Topics under another name ({len(history.renamed)}): {shown}."


def _pass(summary: "WatchSummary") -> str:
    """Format what one pass of the watch did."""
    windows, alerts, rollback = summary["windows"], summary["alerts"], summary["rollback"]
    last = f" The last one starts at {windows[-1]}." if windows else ""
    lines = [summary["left_out"]] if "left_out" in summary else [f"Windows: {len(windows)}.{last}"]
    lines += [f"Alert: {title}" for title in alerts] or ["No new alert."]
    if summary["undelivered"]:
        lines.append(f"Undelivered alerts: {summary['undelivered']}. They are sent again by the next watch.")
    if rollback:
        lines.append(f"Rolled back from {rollback['from']} to {rollback['to']}: {rollback['reason']}")
    if summary["future"]:
        lines.append(
            f"{summary['future']} predictions are dated after {summary['now']} and were left out. "
            "Check the clocks."
        )
    if summary["set_aside"]:
        lines.append(
            f"{len(summary['set_aside'])} windows end after {summary['now']}, so a clock was ahead: "
            "their reports were moved to .tonewatch/windows/future. Check the clocks."
        )
    if summary["too_late"]:
        lines.append(
            f"{summary['too_late']} texts came after their window was closed (watch.lateness_hours): "
            "they are in none. `tonewatch watch --from TIME --to TIME` reports the past."
        )
    if summary["drawn"]:
        lines.append(f"Drawn for people to label: {summary['drawn']}. See `tonewatch labels status`.")
    if summary["retrain"]:
        lines.append(f"Retraining recommended: {summary['retrain']}. Run `tonewatch run`.")
    return "\n".join(lines)


def _replayed(summary: "ReplaySummary") -> str:
    windows, span = summary["windows"], f"from {summary['since']} to {summary['until']}"
    if not windows and not summary["kept"]:
        return f"The journal knows no text that was written {span}."
    last = f" The first one starts at {windows[0]}, the last one at {windows[-1]}." if windows else ""
    lines = [f"Windows of the past: {len(windows)}, with {summary['predictions']:,} predictions.{last}"]
    if summary["kept"]:
        lines.append(f"Reported before and kept as they are: {summary['kept']}.")
    return "\n".join(lines)
