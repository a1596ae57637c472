"""`tonewatch watch`: one pass of monitoring over the windows that have ended, or over the past."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.errors import UsageError
from pipeline.cli.options import command

if TYPE_CHECKING:
    from pipeline.base.config import Workspace
    from pipeline.base.documents import WatchSummary
    from pipeline.monitoring.replay import ReplaySummary


@command
def watch(
    workspace: "Workspace",
    now: Annotated[
        str | None,
        typer.Option("--now", help="The UTC time to watch at, as 2026-11-25T08:00:00Z.", show_default=False),
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Report the past from this UTC time on.", show_default=False),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Up to this UTC time; with --from.", show_default=False)
    ] = None,
) -> tuple[object, str]:
    """Measure prevalence, drift and quality of new windows, and send alerts.  Example: tonewatch watch."""
    from pipeline.monitoring.replay import replay_watch
    from pipeline.monitoring.watch import run_watch

    if since is None and until is None:
        summary = run_watch(workspace, now=now)
        return summary, _pass(summary)
    if since is None or until is None:
        raise UsageError(
            "--from and --to go together, as --from 2026-01-01T00:00:00Z --to 2026-11-25T00:00:00Z."
        )
    replayed = replay_watch(workspace, since=since, until=until, now=now)
    return replayed, _replayed(replayed)


def _pass(summary: "WatchSummary") -> str:
    """Format what one pass of the watch did."""
    windows, alerts, rollback = summary["windows"], summary["alerts"], summary["rollback"]
    last = f" The last one starts at {windows[-1]}." if windows else ""
    lines = [f"Windows: {len(windows)}.{last}"]
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
