"""Predict groups of texts on all cores: few in this process, many in one process per core.

Cleaning texts holds Python's lock, so threads of one process leave cores idle. Each worker process imports
this module, so it imports no more than predicting needs.
"""

import functools
import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.inference.load import cores, load_predictor
from pipeline.io.streams.worker_pool import Batching, map_in_order

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions, Predictor
    from pipeline.inference.champion import LoadedRelease

Group = TypeVar("Group")

# Below this a process takes longer to start than it saves.
ROWS_PER_PROCESS = 10_000


def predict_groups(
    release: "LoadedRelease", groups: Iterable[tuple[Group, Sequence[str]]], *, rows: int | None
) -> "Generator[tuple[Group, Predictions]]":
    """Yield each group with the predictions for its texts, in order; no more are read than are under way.

    `rows` is how many there are, None where that is not known. Worker processes end with the generator.
    Raises Fault when one ends before, as it does when the machine runs out of memory.
    """
    count = max(1, cores() if rows is None else min(cores(), rows // ROWS_PER_PROCESS))
    predict = functools.partial(predict_texts, release.folder)
    if count == 1:
        predict = functools.partial(_predictions, release.predictor)
    return map_in_order(predict, groups, Batching(processes=count, rows_alone=0))


def predict_texts(folder: Path, texts: Sequence[str]) -> "Predictions":
    """Predict texts with the release in a folder; a worker process calls it, which has one core."""
    return _predictions(_predictor_of(folder), texts)


@functools.cache
def _predictor_of(folder: Path) -> "Predictor":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return load_predictor(folder)


def _predictions(predictor: "Predictor", texts: Sequence[str]) -> "Predictions":
    return replace(predictor.predict(texts), cleaned=())
