"""The one way from a text to a label: training's cleaning, the exported model, the kept labels.

Evaluation calls it, the command line calls it, the service calls it; the menu is measured through it.
Shapes: N texts, B texts of one length, T tokens, L labels, D width, X whatever is asked for.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.clean.rules import clean_text
from pipeline.core.model.tokenizer import encode, load_tokenizer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

# What passes through a model of half a million parameters a layer then stays in the nearest cache of its core.
BATCH_TOKENS = 512
# What an artefact tells of a text: logits of its labels, and the vector they were made of.
LOGITS, POOLED = "logits", "pooled"


@dataclass(frozen=True)
class Predictions:
    """Hold the labels of some texts, the probabilities they were chosen from (N x L), and which of them are uncertain.

    `unknown` is the share of each text's tokens that the model has no word for, `cleaned` what it read.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    uncertain: tuple[bool, ...]
    unknown: tuple[float, ...]
    cleaned: tuple[str, ...]


class Predictor:
    """Answer texts with labels.

    `temperature` divides the logits (Guo et al., 2017); an answer whose probability is below `uncertain` is uncertain.
    """

    def __init__(
        self,
        session: "InferenceSession",
        tokenizer: "Tokenizer",
        settings: Mapping[str, Any],
        *,
        threads: int,
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict") if threads > 1 else None
        self._threads = threads
        self._outputs = {output.name: int(output.shape[-1]) for output in session.get_outputs()}
        unknown = tokenizer.token_to_id("[UNK]")
        # A vocabulary of every letter needs none.
        self._unknown = -1 if unknown is None else unknown
        self.labels = tuple(settings["labels"])
        self.temperature = float(settings["temperature"])
        self.uncertain = float(settings["uncertain"])

    @classmethod
    def of(
        cls, model: bytes, tokenizer: str, settings: Mapping[str, Any], *, threads: int = 1
    ) -> "Predictor":
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

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Clean texts, and predict them in their order."""
        return self.predict_cleaned([clean_text(text)[0] for text in texts])

    def predict_cleaned(self, cleaned: Sequence[str]) -> Predictions:
        """Predict texts that are cleaned already, in their order."""
        tokens = self._tokens(cleaned)
        probabilities_NL = softmax(self._gathered(tokens, LOGITS) / self.temperature)
        guesses_N = probabilities_NL.argmax(1)
        sure_N = probabilities_NL.max(1, initial=0.0) >= self.uncertain
        unknown = tuple(ids.count(self._unknown) / max(1, len(ids)) for ids in tokens)
        return Predictions(
            tuple(self.labels[guess] for guess in guesses_N),
            probabilities_NL,
            tuple((~sure_N).tolist()),
            unknown,
            tuple(cleaned),
        )

    def logits(self, cleaned: Sequence[str]) -> NDArray[np.float64]:
        """Give logits_NL of cleaned texts, before the temperature."""
        return self._gathered(self._tokens(cleaned), LOGITS)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give what the model's head sees of each text (N x D); of an artefact that does not tell it, the logits."""
        return self._gathered(
            self._tokens([clean_text(text)[0] for text in texts]),
            POOLED if POOLED in self._outputs else LOGITS,
        )

    def _tokens(self, cleaned: Sequence[str]) -> list[list[int]]:
        return encode(self._tokenizer, cleaned)

    def _gathered(self, tokens: Sequence[Sequence[int]], output: str) -> NDArray[np.float64]:
        gathered_NX = np.zeros((len(tokens), self._outputs[output]))
        batches = list(length_batches([len(ids) for ids in tokens], threads=self._threads))
        work = self._pool.map if self._pool and len(batches) > 1 else map
        run = functools.partial(self._run, output)
        for rows, found_BX in zip(
            batches, work(run, ([tokens[row] for row in rows] for rows in batches)), strict=True
        ):
            gathered_NX[rows] = found_BX
        return gathered_NX

    def _run(self, output: str, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens_BT = np.asarray(tokens, dtype=np.int64)
        (found_BX,) = self._session.run([output], {"tokens": tokens_BT, "mask": np.ones_like(tokens_BT)})
        return np.asarray(found_BX)


def length_batches(lengths: Sequence[int], *, threads: int) -> Iterator[list[int]]:
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
