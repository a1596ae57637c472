"""What a training needs of its checkpoints, wherever they are stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.core.train.objectives.objective import LabelledTexts

# Columns of a batch of texts, by name: `tokens` has a list for each text, `label` a number.
TextColumns = Mapping[str, Sequence[Any] | NDArray[np.generic]]


class SavedCheckpoint(Protocol):
    """Describe a checkpoint: the steps done, the tensors by group, and the rest as JSON."""

    @property
    def step(self) -> int:
        """Return the number of steps done."""

    @property
    def tensors(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Return the groups of tensors: model, optimizer, best."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """Return the fields of TrainingProgress but the tensors."""


class CheckpointStore(Protocol):
    """Describe the checkpoints of one training; every worker must reach the same place."""

    @property
    def key(self) -> str:
        """Return the digest of all that the training depends on."""

    def save(
        self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], notes: Mapping[str, object]
    ) -> None:
        """Write one checkpoint whole."""

    def newest(self) -> SavedCheckpoint | None:
        """Read the newest whole checkpoint, None when there is none."""

    def texts(self, name: str, batches: Iterable[TextColumns]) -> LabelledTexts:
        """Keep tokenized texts while the training lasts, and return them mapped into memory."""

    def delete(self) -> None:
        """Delete all of them, and the texts."""
