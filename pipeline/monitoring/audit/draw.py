"""Draw predictions at random for people to label: stratified by topic, with a known probability.

The draw follows from the secret of the workspace, so that no client can steer or foresee it, and the same
hour draws the same predictions again.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents.audit import DrawnPrediction
from pipeline.base.records import JournalEntry
from pipeline.base.tasks import AnswerForm
from pipeline.core.monitor import text_clusters
from pipeline.core.monitor.audit_sample import HOURS_A_DAY, hourly_size, whole_size
from pipeline.io.journal.audit_queue import AuditQueue, DrawnHour
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.hour_sample import HourSample
from pipeline.io.journal.reader import list_hours
from pipeline.monitoring.audit.forms import FormOf, forms_of_releases
from pipeline.monitoring.windows.counts import OTHER

# Hours that no pass drew from, since nothing ran, are made up for; older ones stay without labels.
CATCH_UP_HOURS = 7 * 24
# A prediction gets its time just before it is written, which may wait for a lock.
SETTLED = timedelta(seconds=60)
HOUR = "%Y-%m-%dT%H"
log = logs.get("audit")


@dataclass(frozen=True)
class Stratum:
    """The texts of one topic in an hour, the rows that are drawn, and the probability of each text."""

    texts: int
    rows: Collection[int]
    inclusion: float


def draw(workspace: Workspace, *, now: str, params: Params) -> int:
    """Draw from each complete hour of the journal that was not drawn from yet; return how many were drawn.

    Texts that were written longer ago than `watch.lateness_hours` are no part of it: they belong to no window
    that is still open. Raises Fault where the queue cannot be written.
    """
    if not params.watch.audit.per_topic_per_day:
        return 0
    queue, moment = AuditQueue(workspace.journal), times.parse_time(now)
    current = (moment - SETTLED).strftime(HOUR)  # not complete itself
    # A clock that was ahead for a while must not end the draws.
    drawn_until = max(queue.last_hour(current), (moment - timedelta(hours=CATCH_UP_HOURS)).strftime(HOUR))
    hours = [hour for hour in list_hours(workspace.journal) if drawn_until < hour < current]
    form_of = forms_of_releases(workspace, params)
    return sum(_draw_hour(workspace, queue, hour, params, form_of) for hour in hours)


def _draw_hour(workspace: Workspace, queue: AuditQueue, hour: str, params: Params, form_of: FormOf) -> int:
    secret, cfg = read_digest_key(workspace.journal_key), params.watch.audit
    start = times.parse_time(f"{hour}:00:00Z")
    oldest = times.format_micros(start - timedelta(hours=params.watch.lateness_hours))
    sample = HourSample(workspace.journal, hour, oldest=oldest)
    texts = _texts_by_stratum(sample.topics(), most=params.serve.max_topics)
    strata = _strata(texts, queue, start, secret, per_day=cfg.per_topic_per_day)
    hour_of_queue = DrawnHour(hour, texts, [], {}, {})
    chosen = sample.chosen(
        {topic: stratum.rows for topic, stratum in strata.items()},
        lambda topic: topic if topic in texts else OTHER,
    )
    for topic, entry in chosen:
        cluster = _cluster(entry, queue, hour_of_queue, form_of(entry.release))
        drawn = DrawnPrediction(
            request=entry.request,
            position=entry.position,
            time=entry.event_time,
            came=hour,
            topic=topic,
            topics=entry.topics,
            release=entry.release,
            cluster=cluster,
            predicted=entry.label,
            probabilities=entry.probabilities,
            inclusion=strata[topic].inclusion,
            place=_chance(secret, f"place/{entry.request}/{entry.position}"),
            # By the cluster, so that copies agree.
            second=_chance(secret, f"second/{cluster}") < cfg.second_opinion,
            readable=bool(entry.text),
            text_id=entry.text_id,
        )
        hour_of_queue.drawn.append(drawn)
    queue.add(hour_of_queue)
    log.info("hour.drawn", hour=hour, texts=sum(texts.values()), drawn=len(hour_of_queue.drawn))
    return len(hour_of_queue.drawn)


def _texts_by_stratum(texts: Mapping[str, int], *, most: int) -> dict[str, int]:
    """Return the texts of the largest topics, and those of all further ones together."""
    ranked = sorted(texts, key=lambda topic: (-texts[topic], topic))
    strata = {topic: texts[topic] for topic in ranked[:most]}
    if further := sum(texts[topic] for topic in ranked[most:]):
        strata[OTHER] = strata.get(OTHER, 0) + further
    return strata


def _strata(
    texts: Mapping[str, int], queue: AuditQueue, start: datetime, secret: bytes, *, per_day: int
) -> dict[str, Stratum]:
    """Decide for each topic which rows of the hour are drawn."""
    day = (start - timedelta(hours=HOURS_A_DAY - 1)).strftime(HOUR)
    volumes = queue.volumes(day, start.strftime(HOUR))
    strata = {}
    for topic, size in texts.items():
        first, before = volumes.get(topic, (start.strftime(HOUR), 0))
        hours = (start - times.parse_time(f"{first}:00:00Z")) // timedelta(hours=1) + 1
        expectation = hourly_size(size, per_day=per_day, day=before + size, hours=hours)
        random = np.random.default_rng(_seed(secret, f"rows/{start:%Y-%m-%dT%H}/{topic}"))
        rows = random.choice(size, whole_size(expectation, random.random()), replace=False)
        strata[topic] = Stratum(size, frozenset(rows.tolist()), expectation / size)
    return strata


def _cluster(entry: JournalEntry, queue: AuditQueue, hour: DrawnHour, form: AnswerForm) -> str:
    if form.has_places:
        # Places are those of one wording: a near copy is another text.
        return entry.digest[: text_clusters.CLUSTER_DIGITS]
    return _add_signature(entry, queue, hour)


def _add_signature(entry: JournalEntry, queue: AuditQueue, hour: DrawnHour) -> str:
    """Return the cluster of a drawn text, and add its signature to the hour where the cluster is new."""
    own = entry.cluster or entry.digest[: text_clusters.CLUSTER_DIGITS]
    if not entry.text or own in hour.signatures:
        return own
    minima = text_clusters.signature(entry.text)
    bands = text_clusters.bands(minima)
    for cluster, stored in [*queue.signatures(bands), *hour.signatures.items()]:
        if text_clusters.are_near_copies(minima, np.frombuffer(stored, np.uint32)):
            return cluster
    hour.signatures[own], hour.bands[own] = minima.tobytes(), bands
    return own


def _seed(secret: bytes, purpose: str) -> int:
    return int.from_bytes(hmac.new(secret, f"audit/{purpose}".encode(), hashlib.sha256).digest(), "big")


def _chance(secret: bytes, purpose: str) -> float:
    """Return a number that is uniform in [0, 1) for whoever does not know the secret."""
    return (_seed(secret, purpose) >> 203) / (1 << 53)
