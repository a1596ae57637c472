"""Anchors: the earlier releases that slices are held against, so that small falls cannot add up."""

import math
from collections import Counter
from collections.abc import Sequence

from pipeline.base.documents import ReleaseRecord
from pipeline.base.tasks.scores import score_of


def choose_anchors(
    champion: ReleaseRecord, served: Sequence[ReleaseRecord], *, limit: int
) -> list[ReleaseRecord]:
    """Return the earlier releases, at most `limit`, that are best on most slices by their own reports.

    Only slices on which one of them beats the champion count. The comparison on today's texts decides
    whether the candidate is worse; this choice only bounds how many models have to predict them.
    """
    figures = {release["release"]: _figures(release) for release in (champion, *served)}
    own = figures[champion["release"]]
    best: Counter[str] = Counter()
    for name in own:
        leader = max(figures, key=lambda release: figures[release].get(name, -math.inf))
        if figures[leader].get(name, -math.inf) > own[name]:
            best[leader] += 1
    by_name = {release["release"]: release for release in served}
    return [by_name[name] for name, _ in best.most_common(limit)]


def _figures(release: ReleaseRecord) -> dict[str, float]:
    evaluation = release["evaluation"]
    slices = {name: score_of(scores) for name, scores in (evaluation.get("slices") or {}).items()}
    return slices | {f"class={label}": scores["f1"] for label, scores in evaluation["per_class"].items()}
