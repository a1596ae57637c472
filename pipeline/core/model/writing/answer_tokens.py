"""A text and the text that answers it as one row of tokens: [CLS] text [SEP] answer [SEP].

A text that stands alone is a row by itself, and its own answer from its first piece on.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tokenizers import Tokenizer

from pipeline.base.errors import ConfigError, DataRejected
from pipeline.core.model.special_tokens import end_ids, special_ids
from pipeline.core.model.tokenizer import encode_and_mark_cut, load_tokenizer, max_tokens

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
        """Return the text that tokens spell."""
        return str(self._whole.decode(list(ids), skip_special_tokens=True))


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
