"""Write the text that answers another, token by token, and measure how likely an answer is.

A text with its answer is one row of tokens: [CLS] text [SEP] answer [SEP]. A text that stands alone is a row
by itself, and its own answer from its first piece on.
Shapes: N texts, B texts of one length, T tokens, M tokens of answers, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.base.errors import ConfigError, DataRejected
from pipeline.core.model.predictor import Predictions, Predictor, length_batches
from pipeline.core.model.special_tokens import end_ids, special_ids
from pipeline.core.model.tokenizer import encode_and_mark_cut, load_tokenizer, max_tokens

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from pipeline.base.documents import ModelSettings

# So many answers are tokenized together.
AT_ONCE = 4096


class AnsweredRow(NamedTuple):
    """Hold the tokens of a text with its answer, and the place of the first token of the answer."""

    ids: list[int]
    first: int


class AnswerTokens:
    """Tokenize texts with their answers; at most `answer_tokens` of a row are the answer and its end.

    With `continues` an answer goes on from where its text ends.
    """

    def __init__(self, tokenizer: Tokenizer, answer_tokens: int, *, continues: bool = False) -> None:
        ends = end_ids(tokenizer)
        assert ends is not None, "require_end_tokens was not called"
        self.answer_tokens = answer_tokens
        self.end = ends[1]
        # What no answer holds: a text has no padding and no blank to fill.
        self.never = sorted(set(special_ids(tokenizer).values()) - {self.end})
        self._continues = continues
        self._whole = tokenizer
        document, longest = tokenizer.to_str(), max_tokens(tokenizer)
        self._prompts = load_tokenizer(document, longest - answer_tokens)
        self._answers = load_tokenizer(document, longest)
        self._answers.no_truncation()

    def prompts(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return the tokens that an answer follows, and of which texts tokens are left out."""
        tokens, cut = encode_and_mark_cut(self._prompts, texts)
        if self._continues:
            tokens = [ids[:-1] if ids[-1] == self.end else ids for ids in tokens]
        return tokens, cut

    def rows(self, texts: Sequence[str], answers: Sequence[str]) -> list[AnsweredRow]:
        """Return each text with its answer, or the text alone where it has none."""
        alone, _ = encode_and_mark_cut(self._whole, texts)
        prompts, _ = encode_and_mark_cut(self._prompts, texts)
        pieces = self.pieces(answers)
        return [
            AnsweredRow([*prompt, *[*own, self.end][: self.answer_tokens]], len(prompt))
            if answer
            else AnsweredRow(list(whole), 1)
            for whole, prompt, own, answer in zip(alone, prompts, pieces, answers, strict=True)
        ]

    def pieces(self, answers: Sequence[str]) -> list[list[int]]:
        """Return the tokens of answers, without those that begin and end a text."""
        encodings = self._answers.encode_batch_fast(list(answers), add_special_tokens=False)
        return [one.ids for one in encodings]

    def text_of(self, ids: Sequence[int]) -> str:
        """Return the text that tokens spell, without the space that a first piece of bytes begins with."""
        return str(self._whole.decode(list(ids), skip_special_tokens=True)).strip()


def require_end_tokens(document: str) -> None:
    """Raise ConfigError where a tokenizer has no tokens that begin and end a text."""
    if end_ids(Tokenizer.from_str(document)) is None:
        raise ConfigError(
            "The tokenizer has no tokens that begin and end a text, and an answer must end. Write another "
            "`start` under `encoder` in params.yaml, such as scratch."
        )


def require_short_answers(document: str, answers: Iterable[str], *, longest: int, answer_tokens: int) -> None:
    """Raise DataRejected that says how many answers have more than `answer_tokens` tokens with their end."""
    tokens, lengths, batch = AnswerTokens(load_tokenizer(document, longest), answer_tokens), [], []
    for answer in answers:
        batch.append(answer)
        if len(batch) == AT_ONCE:
            lengths += [len(ids) + 1 for ids in tokens.pieces(batch)]
            batch = []
    lengths += [len(ids) + 1 for ids in tokens.pieces(batch)]
    long = [length for length in lengths if length > answer_tokens]
    if long:
        raise DataRejected(
            f"{len(long):,} of {len(lengths):,} references have more than {answer_tokens} tokens "
            f"(encoder.answer_tokens), the longest {max(long):,}. Write `answer_tokens: {max(long)}` under "
            "`encoder` in params.yaml, with `max_tokens` above it, or shorten them."
        )


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
        tokenizer: Tokenizer,
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
