"""The one way from a text to a label: training's cleaning, the exported model, the kept labels.

Evaluation calls it, the command line calls it, the service calls it; the menu is measured through it.
Shapes: N texts, B texts of one length, T tokens, L labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clean.rules import clean
from pipeline.model.tokenizer import encode, load_tokenizer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

# What passes through a model of half a million parameters a layer then stays in the nearest cache of its core.
BATCH_TOKENS = 512


@dataclass(frozen=True)
class Answers:
    """Hold the labels of some texts, the probabilities they were chosen from (N x L), and which of them are uncertain."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    uncertain: tuple[bool, ...]


class Predictor:
    """Answer texts with labels.

    `temperature` divides the logits (Guo et al., 2017); an answer whose probability is below `uncertain` is uncertain.
    """

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer", settings: Mapping[str, Any], *, threads: int) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict") if threads > 1 else None
        self._threads = threads
        self.labels = tuple(settings["labels"])
        self.temperature = float(settings["temperature"])
        self.uncertain = float(settings["uncertain"])

    @classmethod
    def of(cls, model: bytes, tokenizer: str, settings: Mapping[str, Any], *, threads: int = 1) -> "Predictor":
        """Build a predictor from an ONNX model, a tokenizer's JSON and the settings kept beside them.

        It answers on as many cores as there are threads, but a single text on one.
        """
        from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

        options = SessionOptions()
        # Two batches on a core each are nearly twice as fast as one batch on two: its parts are too small to be shared out.
        options.intra_op_num_threads = 1
        # The graph runs as it was written and measured. What onnxruntime would do to it makes it slower: its fused norm takes
        # nine times as long as norm and addition, and it quantises what is turned round before and after.
        options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return cls(session, load_tokenizer(tokenizer, int(settings["max_tokens"])), settings, threads=threads)

    def predict(self, texts: Sequence[str]) -> Answers:
        """Clean and label texts, in their order."""
        probabilities_NL = softmax(self.logits([clean(text)[0] for text in texts]) / self.temperature)
        guesses_N = probabilities_NL.argmax(1)
        sure_N = probabilities_NL.max(1, initial=0.0) >= self.uncertain
        return Answers(tuple(self.labels[guess] for guess in guesses_N), probabilities_NL, tuple((~sure_N).tolist()))

    def logits(self, cleaned: Sequence[str]) -> NDArray[np.float64]:
        """Give logits_NL of cleaned texts, before the temperature."""
        tokens = encode(self._tokenizer, cleaned)
        logits_NL = np.zeros((len(tokens), len(self.labels)))
        batches = list(batched([len(ids) for ids in tokens], threads=self._threads))
        work = self._pool.map if self._pool and len(batches) > 1 else map
        for rows, logits_BL in zip(batches, work(self._run, ([tokens[row] for row in rows] for rows in batches)), strict=True):
            logits_NL[rows] = logits_BL
        return logits_NL

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens_BT = np.asarray(tokens, dtype=np.int64)
        (logits_BL,) = self._session.run(["logits"], {"tokens": tokens_BT, "mask": np.ones_like(tokens_BT)})
        return np.asarray(logits_BL)


def batched(lengths: Sequence[int], *, threads: int) -> Iterator[list[int]]:
    """Give the rows that are answered together: texts of one length, the longest first.

    Without padding a text's sums are added up in one order, so its answer has one last digit, whoever is asked beside it.
    """
    alike: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        alike.setdefault(length, []).append(row)
    for length, rows in sorted(alike.items(), reverse=True):
        # No thread waits while another has a batch of many.
        together = max(1, min(BATCH_TOKENS // max(1, length), -(-len(rows) // threads)))
        for start in range(0, len(rows), together):
            yield rows[start : start + together]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits (texts x labels) into probabilities."""
    if not len(logits):
        return logits
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
