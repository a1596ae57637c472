"""The one way from a text to a label: training's cleaning, the exported model, the kept labels.

Evaluation calls it, the command line calls it, the service calls it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clean.rules import clean
from pipeline.model.tokenizer import encode, load_tokenizer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

BATCH_TEXTS = 32


@dataclass(frozen=True)
class Answers:
    """Hold the labels of some texts and the probabilities they were chosen from (texts x labels)."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]


class Predictor:
    """Answer texts with labels."""

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer", labels: Sequence[str], *, together: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._together = together
        self.labels = tuple(labels)

    @classmethod
    def of(cls, model: bytes, tokenizer: str, settings: Mapping[str, Any], *, threads: int = 0) -> "Predictor":
        """Build a predictor from an ONNX model, a tokenizer's JSON and the settings kept beside them; threads 0: all cores."""
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        # Dynamic int8 scales the activations of a whole batch by one number, so a text's label would hang on its neighbours
        # (measured: 8 of 320 flipped). Alone, every text has the one answer that was evaluated, whoever asks.
        together = 1 if settings["variant"] == "int8" else BATCH_TEXTS
        return cls(session, load_tokenizer(tokenizer, int(settings["max_tokens"])), settings["labels"], together=together)

    def predict(self, texts: Sequence[str]) -> Answers:
        """Clean and label texts, in their order."""
        probabilities_NL = softmax(self.logits([clean(text)[0] for text in texts]))
        return Answers(tuple(self.labels[guess] for guess in probabilities_NL.argmax(1)), probabilities_NL)

    def logits(self, cleaned: Sequence[str]) -> NDArray[np.float64]:
        """Give logits (texts x labels) of cleaned texts."""
        tokens = encode(self._tokenizer, cleaned)
        logits_NL = np.zeros((len(tokens), len(self.labels)))
        # Texts of one length stand together: padding is work thrown away.
        order = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
        for start in range(0, len(order), self._together):
            rows = order[start : start + self._together]
            logits_NL[rows] = self._run([tokens[row] for row in rows])
        return logits_NL

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        longest = max(map(len, tokens))
        tokens_BT = np.zeros((len(tokens), longest), dtype=np.int64)
        mask_BT = np.zeros_like(tokens_BT)
        for row, ids in enumerate(tokens):
            tokens_BT[row, : len(ids)] = ids
            mask_BT[row, : len(ids)] = 1
        (logits_BL,) = self._session.run(["logits"], {"tokens": tokens_BT, "mask": mask_BT})
        return np.asarray(logits_BL, dtype=np.float64)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits (texts x labels) into probabilities."""
    if not len(logits):
        return logits
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
