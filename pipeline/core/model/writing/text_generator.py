"""Write the text that answers another, token by token, and measure how likely an answer is.

Shapes: N texts, B texts of one length, T tokens, M tokens of answers, V vocabulary.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.core.model.predictor import Predictions, Predictor, length_batches
from pipeline.core.model.writing.answer_tokens import AnsweredRow, AnswerTokens

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    from pipeline.base.documents import ModelSettings

# The logits of what follows the last token, and of what follows each.
NEXT_LOGITS, TOKEN_LOGITS = "next_logits", "token_logits"


class Likelihood(NamedTuple):
    """Hold the log-likelihood of an answer in nats, and the number of its tokens."""

    log_likelihood: float
    tokens: int


class TextGenerator(Predictor):
    """Write the most probable token each time, so that equal texts get equal answers.

    An answer ends with the token that ends a text, at the latest after `answer_tokens`. It has no label, so
    it has no probabilities of labels, and none is uncertain.
    """

    def __init__(
        self,
        session: "InferenceSession",
        tokenizer: "Tokenizer",
        settings: "ModelSettings",
        *,
        threads: int,
    ) -> None:
        super().__init__(session, tokenizer, settings, threads=threads)
        continues = settings.get("continues", False)
        self._rows = AnswerTokens(tokenizer, int(settings["answer_tokens"]), continues=continues)

    def predict_cleaned(self, cleaned: Sequence[str]) -> Predictions:
        """Write an answer for texts that are prepared already, in their order."""
        prompts, cut = self._rows.prompts(cleaned)
        return Predictions(
            tuple(self._written(prompts)),
            np.zeros((len(cleaned), 0)),
            (False,) * len(cleaned),
            tuple(ids.count(self._unknown) / max(1, len(ids)) for ids in prompts),
            tuple(cleaned),
            tuple(cut),
        )

    def answers(self, cleaned: Sequence[str]) -> tuple[str, ...]:
        """Return the answers for cleaned texts."""
        return self.predict_cleaned(cleaned).labels

    def golden(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of a token of each text, as the geometric mean; N x 1."""
        cleaned = [self.prepare(text) for text in texts]
        found = self.likelihoods(cleaned, [""] * len(cleaned))
        return np.array([[np.exp(one.log_likelihood / max(1, one.tokens))] for one in found])

    def likelihoods(self, cleaned: Sequence[str], answers: Sequence[str]) -> list[Likelihood]:
        """Return how likely each answer is after its text; without an answer, how likely the text is."""
        rows = self._rows.rows(cleaned, answers)
        found = [Likelihood(0.0, 0)] * len(rows)
        for places in length_batches([len(row.ids) for row in rows], threads=self._threads):
            logits_BTV = self._run(TOKEN_LOGITS, [rows[place].ids for place in places])
            for place, logits_TV in zip(places, logits_BTV, strict=True):
                found[place] = _likelihood(logits_TV.astype(np.float64), rows[place])
        return found

    def answer_rows(self, cleaned: Sequence[str], answers: Sequence[str]) -> list[AnsweredRow]:
        """Return texts with their answers as the model reads them."""
        return self._rows.rows(cleaned, answers)

    @property
    def vocabulary(self) -> int:
        """Return how many tokens there are."""
        return self._widths[NEXT_LOGITS]

    def _written(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        found = [""] * len(prompts)
        for places in length_batches([len(ids) for ids in prompts], threads=self._threads):
            for place, ids in zip(places, self._greedy([prompts[place] for place in places]), strict=True):
                found[place] = self._rows.text_of(ids)
        return found

    def _greedy(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the tokens of the answers to prompts of one length, without the one that ends them."""
        tokens: list[list[int]] = [list(ids) for ids in prompts]
        written: list[list[int]] = [[] for _ in prompts]
        is_open = list(range(len(prompts)))
        for _ in range(self._rows.answer_tokens):
            logits_BV = self._run(NEXT_LOGITS, [tokens[row] for row in is_open])
            logits_BV[:, self._rows.never] = -np.inf
            best = dict(zip(is_open, logits_BV.argmax(axis=1).tolist(), strict=True))
            is_open = [row for row, number in best.items() if number != self._rows.end]
            if not is_open:
                break
            for row in is_open:
                tokens[row].append(best[row])
                written[row].append(best[row])
        return written


def _likelihood(logits_TV: NDArray[np.float64], row: AnsweredRow) -> Likelihood:
    """Return the log-likelihood of the tokens of an answer, each after those before it."""
    wanted_M = np.asarray(row.ids[row.first :], dtype=np.int64)
    logits_MV = logits_TV[row.first - 1 : len(row.ids) - 1]
    highest_M1 = logits_MV.max(axis=1, keepdims=True, initial=-np.inf)
    total_M = np.log(np.exp(logits_MV - highest_M1).sum(axis=1)) + highest_M1[:, 0]
    chosen_M = logits_MV[np.arange(len(wanted_M)), wanted_M]
    return Likelihood(float((chosen_M - total_M).sum()), len(wanted_M))
