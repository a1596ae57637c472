"""The source of kind `audit`: texts that people of ours labelled, since the service drew them at random.

They only train: no audit label is in the test split or in the reserve of the gate. A release that was
trained on them is judged by other ones: see `monitoring.audit.judges`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

from pipeline.base.config import AuditSource, CollectConfig
from pipeline.base.digests import text_digest
from pipeline.base.documents.audit import DrawnPrediction
from pipeline.base.records import TRAIN_ONLY, TextRecord
from pipeline.base.tasks import is_collected
from pipeline.base.tasks.targets import without_target
from pipeline.io.journal.audit_queue import AuditQueue
from pipeline.io.journal.journal import Journal
from pipeline.io.sources.feedback import feedback_id

# Data versions store this text and their fingerprints cover it, so it stays as it is.
LICENCE = "labelled by the operators of the service"
BATCH = 1000


@dataclass(frozen=True)
class AuditRecords:
    """Hold the records, the digests of all texts that people labelled, and what to say of those left out."""

    records: list[TextRecord]
    texts: frozenset[str]
    remark: str


def read_audit(journal: Path, source: AuditSource, cfg: CollectConfig) -> AuditRecords:
    """Return the newest labelled texts, at most `source.max_texts`, in the order of their ids.

    Copies of one text are one record. It is left out where people disagree about its label, where its
    prediction is past the retention or its text was not stored, and where its label is not collected.
    """
    agreed, disputed = _labels_by_cluster(AuditQueue(journal))
    newest = sorted(agreed, key=lambda cluster: (agreed[cluster][1], cluster), reverse=True)
    labelled = [cluster for cluster in newest if is_collected(agreed[cluster][0], cfg.labels)][
        : source.max_texts
    ]
    records: dict[str, TextRecord] = {}
    texts = set[str]()
    for drawn, text in _texts(journal, {*labelled, *disputed}):
        texts.add(text_digest(text))
        if drawn.cluster not in disputed:
            label = agreed[drawn.cluster][0]
            records.setdefault(drawn.cluster, _to_record(text, label, drawn, source, cfg.tables[0].lang))
    remark = (
        f"{len(disputed):,} texts are left out, since people disagree about their label" if disputed else ""
    )
    # Two clusters may hold one text: the newer label of it counts.
    by_id = {records[cluster].id: records[cluster] for cluster in reversed(labelled) if cluster in records}
    return AuditRecords(sorted(by_id.values(), key=lambda record: record.id), frozenset(texts), remark)


def _labels_by_cluster(queue: AuditQueue) -> tuple[dict[str, tuple[str, str]], set[str]]:
    """Return the label of each cluster with its time, and the clusters about which people disagree."""
    agreed: dict[str, tuple[str, str]] = {}
    disputed = set[str]()
    opinions = (one for _, one in queue.opinions() if one.origin == "audit" and one.label)
    for cluster, group in groupby(opinions, key=lambda one: one.cluster):
        given = list(group)
        if len({one.label for one in given}) > 1:
            disputed.add(cluster)
        else:
            agreed[cluster] = given[0].label, given[0].time
    return agreed, disputed


def _texts(journal: Path, clusters: set[str]) -> Iterator[tuple[DrawnPrediction, str]]:
    """Yield the drawn predictions of these clusters, the oldest first, with the texts that are kept."""
    if not clusters:
        return
    reader = Journal.reading(journal)
    drawn = (one for one in AuditQueue(journal).all_drawn() if one.cluster in clusters and one.readable)
    while batch := list(islice(drawn, BATCH)):
        entries = reader.find_all((one.request, one.position) for one in batch)
        for one in batch:
            entry = entries.get((one.request, one.position))
            if entry and entry.text:
                yield one, entry.text


def _to_record(text: str, label: str, drawn: DrawnPrediction, source: AuditSource, lang: str) -> TextRecord:
    key = feedback_id(source.name, text)
    return TextRecord(
        id=key,
        text=text,
        label=label,
        source=source.name,
        group=feedback_id(source.name, without_target(text)),
        lang=lang,
        time=drawn.time,
        licence=LICENCE,
        split=TRAIN_ONLY,
        topic=drawn.topic,
    )
