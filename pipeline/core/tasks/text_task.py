"""What tasks share whose answer is about a text as a whole: one classifier head, tokens beside targets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.core.tasks.protocol import OwnFigures, Training, TruthRow

if TYPE_CHECKING:
    from pipeline.core.model.heads import Classifier


class TextTask(ABC):
    """Classify a text by a head on the mean of its hidden states."""

    figures: OwnFigures | None = None
    has_behaviour = True

    def classifier(self, encoder: Any, labels: int) -> "Classifier":
        """Return a classifier of texts without weights of its own yet."""
        from pipeline.core.model.heads import Classifier

        return Classifier(encoder, labels, dropout=0.0, seed=0)

    def encoded(
        self, tokenizer: Any, texts: Sequence[str], rows: Sequence[TruthRow], training: Training
    ) -> Mapping[str, Any]:
        """Return the tokens of texts, and their targets."""
        from pipeline.core.model.tokenizer import encode

        return {"tokens": encode(tokenizer, texts, training.long_texts), **self.targets(rows, training)}

    @abstractmethod
    def targets(self, rows: Sequence[TruthRow], training: Training) -> Mapping[str, Any]:
        """Return the columns of training targets of some texts, by name."""
