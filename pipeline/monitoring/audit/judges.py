"""Which audit labels judge a release: none of a text that it may have been trained on."""

import functools
from collections.abc import Iterable, Iterator

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.errors import ConfigError
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.registry.ledger import Ledger

HOUR = len("2026-11-25T08")


def judging_labels(workspace: Workspace, labels: Iterable[AuditLabel]) -> Iterator[AuditLabel]:
    """Yield the labels of texts that the release which predicted them cannot have learnt from.

    A release that trained on a source of kind `audit` may have learnt every text that was drawn or labelled
    before it was made. Copies of such a text come again, share its label, and would judge the release by what
    it knows by heart.
    """
    made = _made_with_audit_labels(workspace)
    first = AuditQueue(workspace.journal).first_hours() if made else {}
    for label in labels:
        created = made.get(label.release)
        if created is None or (
            first.get(label.cluster, "") >= created[:HOUR]
            and times.to_micros(label.labelled_at) > times.to_micros(created)
        ):
            yield label


def _made_with_audit_labels(workspace: Workspace) -> dict[str, str]:
    """Return when each release was made that trained on audit labels."""
    return {
        release.name: release.record["created"]
        for release in Ledger(workspace.ledger).releases()
        if _trained_on_audit_labels(release.record.get("params", ""))
    }


@functools.lru_cache(maxsize=4096)
def _trained_on_audit_labels(params: str) -> bool:
    if "audit" not in params.partition("\nclean:")[0]:
        return False
    try:
        return parse_params(params).collect.audit is not None
    except ConfigError:
        # Of an earlier version: there was no such source.
        return False
