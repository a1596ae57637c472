"""What a person asks for when somebody wants their texts erased: forget the requests that held them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.base.digests import text_digest
from pipeline.base.errors import Fault, NotAWorkspace, UsageError
from pipeline.io.journal.journal import Journal, is_request_id
from pipeline.io.params_file import load_params
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.text_search import find_texts


@dataclass(frozen=True)
class ForgetReport:
    """Count what was erased, and name what still holds one of the texts.

    `versions` are data versions with one of the texts, `tables` files below `data/` and `cached` objects of
    DVC's cache; `unreadable` are versions and files that could not be searched. `unknown` are requests
    without a prediction in the journal.
    """

    predictions: int
    unknown: tuple[str, ...]
    versions: tuple[str, ...]
    unreadable: tuple[str, ...]
    tables: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Say what was erased, what was not touched, and what is left to do."""
        lines = [f"Erased from the journal: {self.predictions} predictions with their labels."]
        if self.unknown:
            lines.append(
                "Without a prediction in the journal, so that no data were searched: "
                f"{', '.join(self.unknown)}."
            )
        if self.versions:
            lines.append(
                "Not touched: data versions that hold a text of these requests: "
                f"{', '.join(self.versions)}. Releases were trained on them."
            )
        if self.tables:
            lines.append(
                f"Not touched: files that hold a text of these requests: {', '.join(self.tables)}. "
                "The next `tonewatch run` collects without these texts and writes them anew."
            )
        if self.cached:
            lines.append(
                f"Not touched: {len(self.cached)} objects of DVC's cache with a text of these requests, "
                f"such as {self.cached[0]}. `tonewatch prune` removes those that no version in use needs."
            )
        if self.unreadable:
            lines.append(
                "Not searched, since they cannot be read or DVC's cache lacks them: "
                f"{', '.join(self.unreadable)}. Fetch the data with `dvc pull` to search them by hand."
            )
        return lines


def forget_requests(workspace: Workspace, requests: Sequence[str]) -> ForgetReport:
    """Erase the predictions and feedback of requests from the journal, and find their texts in the data.

    A data version is never changed: releases that were trained on it name it by its content. Raises
    UsageError for what is no request id, before anything is erased.
    """
    if wrong := [request for request in requests if not is_request_id(request)]:
        raise UsageError(
            f"{wrong[0]!r} is no request id. The response of /v1/predict names it, as 2026112508-0f1e2d…."
        )
    days = load_params(workspace.params).serve.journal.retention_days
    journal = Journal(workspace.journal, retention_days=days)
    try:
        entries = journal.of_requests(requests)
        # Before they are erased: after a fault the same call finds them again.
        digests = {text_digest(entry.text) for entry in entries if entry.text}
        versions, unreadable = _versions_with(workspace.root, digests)
        found = find_texts(workspace.root, digests)
        journal.forget(requests)
    finally:
        journal.close()
    known = {entry.request for entry in entries}
    logs.get("journal").info(
        "requests.forgotten", requests=len(requests), predictions=len(entries), versions=len(versions)
    )
    unknown = tuple(request for request in requests if request not in known)
    return ForgetReport(
        predictions=len(entries),
        unknown=unknown,
        versions=tuple(versions),
        unreadable=(*unreadable, *found.unreadable),
        tables=found.tables,
        cached=found.cached,
    )


def _versions_with(root: Path, digests: set[str]) -> tuple[list[str], list[str]]:
    """Return the data versions that hold one of the texts, and those that cannot be read."""
    holding: list[str] = []
    unreadable: list[str] = []
    try:
        versions = data_versions.list_versions(root) if digests else ()
    except NotAWorkspace:  # without git there are no data versions
        return [], []
    for version in versions:
        try:
            if data_versions.holds_text(root, version.name, digests):
                holding.append(version.name)
        except Fault:
            unreadable.append(version.name)
    return holding, unreadable
