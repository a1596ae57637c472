"""Which audit labels judge a release: none of a text that it may have been trained on."""

import functools
from collections.abc import Iterable, Iterator, Mapping

from pipeline.base import times
from pipeline.base.config import Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import ReleaseRecord
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.errors import ConfigError
from pipeline.base.tasks import SINGLE_LABEL, answer_form
from pipeline.base.tasks.items import is_usable
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.registry.ledger import Ledger

HOUR = len("2026-11-25T08")


def judging_labels(workspace: Workspace, labels: Iterable[AuditLabel]) -> Iterator[AuditLabel]:
    """Yield the labels of texts that the release which predicted them cannot have learnt from.

    A release that trained on a source of kind `audit` may have learnt every text that was drawn or labelled
    before it was made. Copies of such a text come again, share its label, and would judge the release by what
    it knows by heart. A label of another task than the release's is none of its answers, and left out.
    """
    releases = {one.name: one.record for one in Ledger(workspace.ledger).releases()}
    made = _made_with_audit_labels(releases)
    first = AuditQueue(workspace.journal).first_hours() if made else {}
    for label in labels:
        if not _is_answer(label, releases.get(label.release)):
            continue
        created = made.get(label.release)
        if created is None or (
            first.get(label.cluster, "") >= created[:HOUR]
            and times.to_micros(label.labelled_at) > times.to_micros(created)
        ):
            yield label


def _is_answer(label: AuditLabel, record: ReleaseRecord | None) -> bool:
    evaluation = record.get("evaluation") if record else None
    if not evaluation:
        return True
    form = answer_form(evaluation.get("task", SINGLE_LABEL))
    return is_usable(form, label.label, evaluation.get("labels", ()))


def _made_with_audit_labels(releases: Mapping[str, ReleaseRecord]) -> dict[str, str]:
    """Return when each release was made that trained on audit labels."""
    return {
        name: record["created"]
        for name, record in releases.items()
        if _trained_on_audit_labels(record.get("params", ""))
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
