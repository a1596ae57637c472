"""A prompt: a sentence around a text, whose blank a word head fills with a word of the label.

Source: Schick & Schütze, 2021 (PET). Shapes: B texts, T tokens, V vocabulary, L labels, W words of a label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.base.config import PromptConfig
from pipeline.base.errors import ConfigError
from pipeline.core.model.encoder import hidden_states, word_embeddings
from pipeline.core.model.heads import MaskedLanguageModel
from pipeline.core.model.special_tokens import end_ids, mask_id, special_ids, unknown_id
from pipeline.core.model.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenizers import Tokenizer

    from pipeline.core.model.encoder import Encoder

BLANK = "[MASK]"
# A text of fewer tokens says too little.
MIN_ROOM = 8


@dataclass(frozen=True)
class Prompt:
    """Hold the ids before and after a text, of the blank, and of the words of each label."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    mask: int
    words: tuple[tuple[int, ...], ...]
    max_tokens: int

    def around(self, tokens: Sequence[int]) -> list[int]:
        """Return the ids of a text, or of its first window, in the prompt; too long a text is cut at its end.

        A target that stands behind the text stays.
        """
        room = self.max_tokens - len(self.before) - len(self.after)
        # Without the tokens that begin and end a text alone, and without a blank of the text's own.
        own = [one for one in tokens[: self.max_tokens][1:-1] if one != self.mask]
        ends = [place for place, one in enumerate(own) if one == self.after[-1]]
        end = ends[-1] if ends else len(own)
        text, target = own[:end], own[end:][:room]
        return [*self.before, *text[: room - len(target)], *target, *self.after]


def require_word_head(model_type: str, has_word_head: bool) -> None:
    """Raise ConfigError for an encoder that cannot fill a blank."""
    if model_type == "bert" and has_word_head:
        return
    raise ConfigError(
        "finetune.method: `prompt` needs a BERT with a word head, and this encoder is "
        f"{'one without' if model_type == 'bert' else 'a ' + model_type}. Write "
        "`objective: masked_words` and some `steps` under `pretrain` and another `start` under `encoder` "
        "in params.yaml, or `method: full`."
    )


def read_prompt(document: str, cfg: PromptConfig, labels: Sequence[str], max_tokens: int) -> Prompt:
    """Return a prompt as ids of a tokenizer, given as its JSON.

    Raises ConfigError where a label has no words, a word is no single piece, or the prompt is too long.
    """
    tokenizer = load_tokenizer(document, max_tokens)
    mask, ends = mask_id(tokenizer), end_ids(tokenizer)
    if mask is None or ends is None:
        raise ConfigError(
            "finetune.method: `prompt` needs a tokenizer with a mask token and tokens that begin and end a "
            "text, and that of this encoder lacks one. Write another `start` under `encoder` in params.yaml, "
            "or `method: full`."
        )
    without = [label for label in labels if not cfg.words.get(label)]
    if without:
        raise ConfigError(
            f"finetune.prompt.words: the label {without[0]} has no word. Write "
            f"`{without[0]}: [a word, another]` there into params.yaml."
        )
    words = tuple(tuple(_piece(tokenizer, word, label) for word in cfg.words[label]) for label in labels)
    _require_own_words(words, labels, tokenizer)
    first, last = (_ids(tokenizer, part, mask) for part in cfg.template.split("{text}"))
    prompt = Prompt((ends[0], *first), (*last, ends[1]), mask, words, max_tokens)
    if max_tokens - len(prompt.before) - len(prompt.after) < MIN_ROOM:
        raise ConfigError(
            f"finetune.prompt.template leaves fewer than {MIN_ROOM} of {max_tokens} tokens for a text. "
            "Write a shorter one, or a larger `max_tokens` under `encoder` in params.yaml."
        )
    return prompt


class PromptClassifier(MaskedLanguageModel):
    """Compute logits of labels: the mean of those of their words, at the blank of each text."""

    def __init__(self, encoder: "Encoder", word_head: "Mapping[str, Tensor] | None", prompt: Prompt) -> None:
        super().__init__(encoder, word_head)
        self._prompt = prompt

    def forward(self, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:  # type: ignore[override]
        """Return logits_BL; each text has one blank."""
        hidden_BD = hidden_states(self.encoder, tokens_BT, mask_BT)[tokens_BT == self._prompt.mask]
        hidden_BE = self.transform(hidden_BD)
        table_VE = word_embeddings(self.encoder)
        # Of the words of labels alone: the whole vocabulary would cost more than the encoder.
        columns = []
        for ids in self._prompt.words:
            rows_W = torch.tensor(ids, device=table_VE.device)
            columns.append((hidden_BE @ table_VE[rows_W].T + self.bias[rows_W]).mean(1))
        return torch.stack(columns, dim=1)


def _ids(tokenizer: "Tokenizer", part: str, mask: int) -> list[int]:
    """Return the ids of a part of a template, with the blank as one."""
    # A piece of bytes begins with the space before it: one at the end of a part would be a piece of its own.
    parts = [one.strip() for one in part.split(BLANK)]
    pieces = [tokenizer.encode(one, add_special_tokens=False).ids for one in parts]
    ids = list(pieces[0])
    for more in pieces[1:]:
        ids += [mask, *more]
    return ids


def _require_own_words(words: Sequence[Sequence[int]], labels: Sequence[str], tokenizer: "Tokenizer") -> None:
    """Raise ConfigError where one piece stands twice: the blank could not tell its labels apart."""
    owner: dict[int, str] = {}
    for label, ids in zip(labels, words, strict=True):
        for number in ids:
            if number in owner:
                raise ConfigError(
                    f"finetune.prompt.words: `{tokenizer.id_to_token(number)}` is a word of the label "
                    f"{owner[number]}, and again of {label}. Write each word once, for one label, into "
                    "params.yaml."
                )
            owner[number] = label


def _piece(tokenizer: "Tokenizer", word: str, label: str) -> int:
    encoding = tokenizer.encode(word, add_special_tokens=False)
    if len(encoding.ids) != 1 or encoding.ids[0] in {unknown_id(tokenizer), *special_ids(tokenizer).values()}:
        raise ConfigError(
            f"finetune.prompt.words: `{word}` of the label {label} is no single piece of the vocabulary "
            f"({', '.join(encoding.tokens)}). Write another word there into params.yaml."
        )
    return int(encoding.ids[0])
