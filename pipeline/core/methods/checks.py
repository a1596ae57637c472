"""What a method of fine-tuning needs of an encoder, its tokenizer and the texts; asked before pretraining."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from pipeline.base.config import FinetuneConfig
from pipeline.core.methods.prompts import read_prompt, require_word_head
from pipeline.core.methods.recipe import Recipe, finetuning_steps
from pipeline.core.methods.trained_weights import require_method
from pipeline.core.methods.word_swaps import require_words


@dataclass(frozen=True)
class FinetuningPlan:
    """Hold what a fine-tuning will read: its section, the labels, and the most tokens of a text."""

    cfg: FinetuneConfig
    labels: Sequence[str]
    max_tokens: int


def require_finetuning(
    plan: FinetuningPlan, config: Mapping[str, Any], document: str, *, texts: int, has_word_head: bool
) -> None:
    """Raise ConfigError where a fine-tuning on an encoder of this config could not begin.

    `document` is the JSON of the tokenizer, `texts` the number of training texts; `has_word_head` says
    whether the encoder will have one once it is pretrained.
    """
    cfg = plan.cfg
    require_method(config, cfg)
    Recipe.of(cfg).require_steps(finetuning_steps(cfg, steps_per_epoch=-(-texts // cfg.batch_size)))
    if cfg.augment.words:
        require_words(Tokenizer.from_str(document), has_word_head=has_word_head)
    if cfg.method == "prompt":
        require_word_head(config["model_type"], has_word_head)
        read_prompt(document, cfg.prompt, plan.labels, plan.max_tokens)
