"""What the plan of a split needs of texts: their signatures, and the keys and places of their groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.base.config import SplitConfig
from pipeline.base.tasks.targets import without_target
from pipeline.core.clean.near_duplicates import SignedTexts, sign_texts
from pipeline.core.clean.text_keys import Keys, keys_of
from pipeline.core.split.groups import hash_position


@dataclass(frozen=True)
class SignedRows:
    """Hold the signatures of texts, and the keys and places of their groups."""

    texts: SignedTexts
    groups: Keys
    positions: NDArray[np.float64]


def sign_rows(cfg: SplitConfig, columns: tuple[Sequence[str], Sequence[str]]) -> SignedRows:
    """Return what a plan needs of texts and their groups; it can be called in another process."""
    texts, groups = columns
    positions = (hash_position(group, cfg) for group in groups)
    return SignedRows(
        sign_whole_texts(cfg.near_duplicates, texts),
        keys_of(groups),
        np.fromiter(positions, np.float64, len(groups)),
    )


def sign_whole_texts(similarity: float, texts: Sequence[str]) -> SignedTexts:
    """Return the signatures of texts without their targets: all pairs of a text are in one split."""
    return sign_texts(similarity, list(map(without_target, texts)))
