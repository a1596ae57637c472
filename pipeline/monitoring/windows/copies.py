"""How many texts of a window are copies of each other: sent again, retweeted, syndicated."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.io.journal import tables
from pipeline.monitoring.windows.counts import ALL, WindowPredictions

# With so many texts of a topic, drawn at random, copies that make up a hundredth of it are seen.
MOST = 4000
CLUSTERS = (
    "SELECT topic, more_topics, CASE cluster WHEN '' THEN digest ELSE cluster END FROM predictions "
    f"{tables.WITHIN} AND release = ? ORDER BY id"
)


@dataclass
class _Reservoir:
    """Keep a random sample of a stream (Vitter, 1985)."""

    random: np.random.Generator
    kept: list[str] = field(default_factory=list)
    seen: int = 0

    def offer(self, cluster: str) -> None:
        """Take the next cluster of the stream, or leave it."""
        self.seen += 1
        if len(self.kept) < MOST:
            self.kept.append(cluster)
        elif (place := int(self.random.integers(self.seen))) < MOST:
            self.kept[place] = cluster


def measure_copies(predictions: WindowPredictions, seed: int) -> None:
    """Set `copies` of each topic: the probability that two of its texts are exact copies of one."""
    samples = {topic: _Reservoir(np.random.default_rng(seed)) for topic in predictions.topics}
    rows = predictions.journal.event_times.rows(
        CLUSTERS, (predictions.start, predictions.end, predictions.release)
    )
    for _, (topic, more_topics, cluster) in rows:
        for group in dict.fromkeys((ALL, *map(predictions.group_of, (topic, *more_topics.split())))):
            # A topic that came after the count is not reported.
            if group in samples:
                samples[group].offer(cluster)
    for topic, sample in samples.items():
        predictions.topics[topic].copies = share_of_pairs(sample.kept)


def share_of_pairs(clusters: Sequence[str]) -> float:
    """Return the share of the pairs of texts that are in one cluster; 0 where there is no pair."""
    pairs = len(clusters) * (len(clusters) - 1)
    return sum(size * (size - 1) for size in Counter(clusters).values()) / pairs if pairs else 0.0
