"""What a fine-tuning lacks is said before the encoder is pretrained."""

import pytest
from training_methods import method

from pipeline.base.errors import ConfigError
from pipeline.core.methods.checks import FinetuningPlan, require_finetuning

WORDS = {"bad": ["bad"], "good": ["good"]}
PROMPT = {"template": "{text} what a [MASK] film", "words": WORDS, "zero_shot": False}


def check(root, start, document, *, name="full", texts=64, has_word_head=True, **changes):
    cfg = method(root, name, **{"prompt": PROMPT, "batch_size": 16, **changes})
    plan = FinetuningPlan(cfg, ("bad", "good"), 32)
    require_finetuning(plan, start.config, document, texts=texts, has_word_head=has_word_head)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "top:3"}, "asks for 3 blocks, and this encoder has 2"),
        ({"name": "lora", "lora": {"rank": 64}}, "rank is 64, and no matrix"),
        # 64 texts in batches of 16 are 4 steps an epoch.
        ({"name": "adalora", "min_steps": 1, "epochs": 2}, "needs 10 steps .* and the training has 8"),
        (
            {"name": "prompt", "has_word_head": False},
            "needs a BERT with a word head, and this encoder is one",
        ),
        ({"name": "prompt", "prompt": {**PROMPT, "words": {"bad": ["bad"]}}}, "the label good has no word"),
        (
            {"name": "prompt", "prompt": {**PROMPT, "template": "{text} " + "good film " * 12 + "[MASK]"}},
            "leaves fewer than 8 of 32 tokens",
        ),
    ],
)
def test_a_fine_tuning_that_could_not_begin_is_refused(wrong, message, root, start, tokenizer_json):
    with pytest.raises(ConfigError, match=message):
        check(root, start, tokenizer_json, **wrong)


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"name": "full", "has_word_head": False},
        {"name": "adalora", "min_steps": 1, "epochs": 3},
        {"name": "prompt"},
        {"name": "lora", "lora": {"rank": 32}},
    ],
)
def test_one_that_can_begin_is_accepted(right, root, start, tokenizer_json):
    check(root, start, tokenizer_json, **right)
