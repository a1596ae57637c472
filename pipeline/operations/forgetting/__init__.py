"""Forgetting: requests in the journal, and records by id, by what a text contains, by their subject."""

from collections.abc import Sequence

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.operations.forget import ForgetReport, forget_requests
from pipeline.operations.forgetting.records import forget_records
from pipeline.operations.forgetting.report import RecordsReport
from pipeline.operations.forgetting.selection import Selection


def forget(
    workspace: Workspace,
    requests: Sequence[str],
    *,
    ids: Sequence[str],
    matches: Sequence[str],
    subjects: Sequence[str],
    dry_run: bool,
) -> ForgetReport | RecordsReport:
    """Forget requests, or records; raises UsageError where both are named, or neither."""
    if not requests:
        return forget_records(workspace, Selection.of(ids, matches, subjects), dry_run=dry_run)
    if ids or matches or subjects or dry_run:
        raise UsageError(
            "Request ids are forgotten by themselves. Type `tonewatch data forget` once with them, and once "
            "with --id, --match or --subject (and --dry-run)."
        )
    return forget_requests(workspace, requests)
