"""Predict labels of texts with an ONNX model, the same in evaluation, on the command line and in the service.

Shapes: N texts, B texts of one length, T tokens, L labels, D width, X width of an output.
"""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.base.tasks.names import SINGLE_LABEL, TaskName
from pipeline.core.model.decoding import decoder_of
from pipeline.core.model.special_tokens import unknown_id
from pipeline.core.model.tokenizer import (
    encode,
    encode_and_mark_cut,
    load_tokenizer,
    max_tokens,
    split_windows,
)
from pipeline.core.privacy.preparation import preparation_named

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    from pipeline.base.documents import ModelSettings

# With so many tokens the activations of half a million parameters a layer stay in the core's nearest cache.
BATCH_TOKENS = 512
# The outputs of a model: logits of labels, and the input of its head.
LOGITS, POOLED = "logits", "pooled"


@dataclass(frozen=True)
class Predictions:
    """Hold the predicted answers of texts, the probability of each label (N x L), and which are uncertain.

    `labels` are the answers: where a text has several labels they are joined (base/tasks/answers.py).
    `unknown` is the share of unknown tokens of each text, `cleaned` the text as the model reads it, `cut`
    whether it has more tokens than the model reads.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    uncertain: tuple[bool, ...]
    unknown: tuple[float, ...]
    cleaned: tuple[str, ...]
    cut: tuple[bool, ...]


class Predictor:
    """Predict labels of texts, prepared by `prepare` as the texts were that the model learnt from.

    `temperature` divides the logits (Guo et al., 2017); a prediction of a probability below `uncertain` is
    uncertain.
    """

    def __init__(
        self,
        session: "InferenceSession",
        tokenizer: "Tokenizer",
        settings: "ModelSettings",
        *,
        threads: int,
    ) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict") if threads > 1 else None
        self._threads = threads
        self._widths = {output.name: int(output.shape[-1]) for output in session.get_outputs()}
        unknown = unknown_id(tokenizer)
        # A vocabulary with every letter needs no unknown token.
        self._unknown = -1 if unknown is None else unknown
        self.labels = tuple(settings["labels"])
        self.task: TaskName = settings.get("task", SINGLE_LABEL)
        self.decoder = decoder_of(settings)
        self.temperature = float(settings["temperature"])
        self.uncertain = float(settings["uncertain"])
        self.max_tokens = max_tokens(tokenizer)
        # Models of earlier versions read the beginning of a long text.
        self._long_texts = settings.get("long_texts", "head")
        self.prepare = preparation_named(settings.get("preparation", ""))

    @classmethod
    def of(cls, model: bytes, tokenizer: str, settings: "ModelSettings", *, threads: int = 1) -> "Predictor":
        """Build a predictor from an ONNX model, a tokenizer's JSON and the content of model.json.

        It uses `threads` cores, but only one for a single text.
        """
        from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

        options = SessionOptions()
        # Two batches on a core each are nearly twice as fast as one batch on two cores.
        options.intra_op_num_threads = 1
        # The graph runs as it is exported. onnxruntime's optimizations make it slower: its fused norm takes
        # nine times as long as norm and addition, and it quantizes transposed matrices.
        options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return cls(session, load_tokenizer(tokenizer, int(settings["max_tokens"])), settings, threads=threads)

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Prepare texts, and predict them in their order."""
        return self.predict_cleaned([self.prepare(text) for text in texts])

    def predict_cleaned(self, cleaned: Sequence[str]) -> Predictions:
        """Predict texts that are prepared already, in their order."""
        tokens, cut = encode_and_mark_cut(self._tokenizer, cleaned, self._long_texts)
        probabilities_NL = self.decoder.probabilities(self._outputs_of(tokens, LOGITS) / self.temperature)
        certain_N = self.decoder.confidence(probabilities_NL) >= self.uncertain
        unknown = tuple(ids.count(self._unknown) / max(1, len(ids)) for ids in tokens)
        return Predictions(
            self.decoder.answers(probabilities_NL),
            probabilities_NL,
            tuple((~certain_N).tolist()),
            unknown,
            tuple(cleaned),
            tuple(cut),
        )

    def logits(self, cleaned: Sequence[str]) -> NDArray[np.float64]:
        """Return logits_NL of cleaned texts, before the temperature."""
        return self._outputs_of(self._tokens(cleaned), LOGITS)

    def golden(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities by which a copy of the model is told from another model; a row a text."""
        return self.predict(texts).probabilities

    def in_text(self, answer: str, cleaned: str, text: str) -> str:  # noqa: ARG002
        """Return the answer for a cleaned text as one for the text that was sent: labels are the same."""
        return answer

    def answers(self, cleaned: Sequence[str]) -> tuple[str, ...]:
        """Return the answers for cleaned texts."""
        return self.decoder.answers(self.decoder.probabilities(self.logits(cleaned) / self.temperature))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the input of the model's head for each text (N x D), or the logits of an older model."""
        tokens = self._tokens([self.prepare(text) for text in texts])
        return self._outputs_of(tokens, POOLED if POOLED in self._widths else LOGITS)

    def _tokens(self, cleaned: Sequence[str]) -> list[list[int]]:
        return encode(self._tokenizer, cleaned, self._long_texts)

    def _outputs_of(self, tokens: Sequence[Sequence[int]], output: str) -> NDArray[np.float64]:
        """Return an output for each text: the mean over its windows."""
        windows, texts = split_windows(tokens, self.max_tokens)
        values = self._outputs_of_windows(windows, output)
        if len(windows) == len(tokens):
            return values
        sums_NX = np.zeros((len(tokens), values.shape[1]))
        np.add.at(sums_NX, texts, values)
        return sums_NX / np.bincount(texts, minlength=len(tokens))[:, None]

    def _outputs_of_windows(self, tokens: Sequence[Sequence[int]], output: str) -> NDArray[np.float64]:
        values_NX = np.zeros((len(tokens), self._widths[output]))
        batches = list(length_batches([len(ids) for ids in tokens], threads=self._threads))
        run_all = self._pool.map if self._pool and len(batches) > 1 else map
        run = functools.partial(self._run, output)
        inputs = ([tokens[row] for row in rows] for rows in batches)
        for rows, values_BX in zip(batches, run_all(run, inputs), strict=True):
            values_NX[rows] = values_BX
        return values_NX

    def _run(self, output: str, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        tokens_BT = np.asarray(tokens, dtype=np.int64)
        (values_BX,) = self._session.run([output], {"tokens": tokens_BT, "mask": np.ones_like(tokens_BT)})
        return np.asarray(values_BX)


def length_batches(lengths: Sequence[int], *, threads: int) -> Iterator[list[int]]:
    """Yield the rows of each batch: texts of equal length, the longest first.

    Without padding the order of all sums is fixed, so a prediction does not depend on the other texts.
    """
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(length, []).append(row)
    for length, rows in sorted(by_length.items(), reverse=True):
        # Rows are shared out evenly, so that no thread is idle.
        size = max(1, min(BATCH_TOKENS // max(1, length), -(-len(rows) // threads)))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]
