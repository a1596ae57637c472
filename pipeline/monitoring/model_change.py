"""The windows in their order: where the model changed in them, and where the tone did."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.base.config import Params, Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import JournalEntry
from pipeline.base.seeds import seed_for
from pipeline.core.monitor import change_points as changes
from pipeline.core.monitor import prevalence
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.io import files
from pipeline.monitoring.reference import ReleaseReference

Document = Mapping[str, Any]


def read_windows(workspace: Workspace) -> list[Document]:
    """Read every window that was written, the oldest first."""
    return [files.read_json(path) for path in sorted(workspace.windows.glob("2*.json"))]


def drifted_windows(before: Sequence[Document], release: str) -> dict[str, list[bool]]:
    """Say of each topic which of these windows had drifted from what the release was judged by."""
    found: dict[str, list[bool]] = {}
    for document in before:
        for topic, told in document["topics"].items() if document["release"] == release else ():
            found.setdefault(topic, []).append(bool(told["drift"] and told["drift"]["drifted"]))
    return found


def measure_model_change(
    workspace: Workspace, watched: ReleaseReference, answers: Sequence[JournalEntry], params: Params
) -> dict[str, Any] | None:
    """Measure what a change of the model alone did to the shares: the release before answers this window's texts as well.

    None where the release is that of the window before.
    """
    before = read_windows(workspace)
    if not before or before[-1]["release"] == watched.name:
        return None
    found: dict[str, Any] = {"from": before[-1]["release"], "to": watched.name, "texts": 0, "labels": None}
    overlap = _overlap(answers, params)
    if len(overlap) < params.watch.min_texts:
        return {
            **found,
            "why": f"only {len(overlap)} texts of this window can be read, too few to measure the change of the model",
        }
    try:
        old = ReleaseReference.of(workspace, found["from"])
        theirs = old.predictor.predict([answer.text for answer in overlap]).labels
    except TonewatchError as error:
        return {**found, "why": str(error)}
    if old.labels != watched.labels:
        return {**found, "why": "the two releases know different labels"}
    before_N, after_N = (
        [watched.labels.index(label) for label in column]
        for column in (theirs, [answer.label for answer in overlap])
    )
    chance: dict[str, Any] = {
        "resamples": params.watch.resamples,
        "confidence": params.watch.confidence,
        "seed": params.seed,
    }
    measured = prevalence.measure_model_shift(
        before_N, after_N, old.confusion, watched.confusion, labels=watched.labels, **chance
    )
    return {**found, "texts": len(overlap), "labels": measured}


def _overlap(answers: Sequence[JournalEntry], params: Params) -> list[JournalEntry]:
    """Draw the texts that both releases answer."""
    chance = np.random.default_rng(seed_for(params.seed, "watch", "overlap"))
    readable = [answer for answer in answers if answer.text]
    rows = sorted(chance.permutation(len(readable))[: params.watch.overlap_texts])
    return [readable[row] for row in rows]


def bridge_topic(seen: Sequence[Document], topic: str) -> dict[str, list[dict[str, Any]]]:
    """Give the series of each label's share in a topic, with what came before a change of the model shifted by what it did."""
    labels = {label for document in seen for label in (_shares(document, topic) or ())}
    found = {}
    for label in sorted(labels):
        points = [
            {"start": document["window"]["start"], "release": document["release"], **shares[label]}
            for document in seen
            if (shares := _shares(document, topic)) and label in shares
        ]
        breaks = [
            {"time": document["window"]["start"], **document["break"]["labels"][label]}
            for document in seen
            if document["break"] and (document["break"]["labels"] or {}).get(label)
        ]
        found[label] = prevalence.bridge_series(points, breaks)
    return found


def find_topic_changes(seen: Sequence[Document], params: Params) -> dict[str, list[dict[str, Any]]]:
    """Find where the tone of each topic changed, the model's own changes bridged."""
    topics = sorted({topic for document in seen for topic in document["topics"]})
    asked: dict[str, Any] = {
        "windows_per_quarter": windows_per_quarter(params.watch.window_minutes),
        "confidence": params.watch.confidence,
        "seed": params.seed,
        "topics": max(1, len(topics)),
    }
    return {
        topic: changes.find_change_points(bridge_topic(seen, topic), params.watch.change_points, **asked)
        for topic in topics
    }


def _shares(document: Document, topic: str) -> Mapping[str, Any] | None:
    found = document["topics"].get(topic)
    return found["shares"] if found else None
