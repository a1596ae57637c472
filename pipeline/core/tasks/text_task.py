"""What tasks share whose answer is about a text as a whole: one classifier head, tokens beside targets."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.base.config import EncoderConfig
from pipeline.base.documents import ModelSettings
from pipeline.base.records import TextRecord
from pipeline.core.tasks.protocol import OwnFigures, Training, TruthRow

if TYPE_CHECKING:
    from pipeline.core.model.heads import Classifier


class LabelTask:
    """Answer a text by labels: any encoder will do, and an answer is all that is compared."""

    def require_start(
        self, config: Mapping[str, Any], document: str, answers: Iterable[str], cfg: EncoderConfig
    ) -> None:
        """Accept every encoder."""

    def tokens(
        self, tokenizer: Any, records: Sequence[TextRecord], settings: ModelSettings
    ) -> list[list[int]]:
        """Return the tokens of the texts alone."""
        from pipeline.core.model.tokenizer import encode

        return encode(tokenizer, [record.text for record in records], settings.get("long_texts", "head"))

    def outcomes(
        self,
        predictor: Any,  # noqa: ARG002
        records: Sequence[TextRecord],
        answers: Sequence[str],
    ) -> list[str]:
        """Return the answers."""
        assert len(records) == len(answers)
        return list(answers)


class TextTask(LabelTask, ABC):
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
