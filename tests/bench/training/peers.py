"""The peer: transformers' Trainer with the collators of its examples, on the same tokens and weights."""

import time
from collections.abc import Callable
from typing import Any

from texts import BATCH, ROW_TOKENS, Material


def classifier(material: Material) -> Any:
    """Return BERT with a new head on the encoder's weights."""
    from transformers import BertConfig, BertForSequenceClassification

    labels = len(material.params.collect.labels)
    model = BertForSequenceClassification(BertConfig(**_config(material), num_labels=labels))
    model.bert.load_state_dict(material.start.weights, strict=False)
    return model


def word_model(material: Material) -> Any:
    """Return BERT with a word head on the encoder's weights."""
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(BertConfig(**_config(material)))
    model.bert.load_state_dict(material.start.weights, strict=False)
    return model


def _config(material: Material) -> dict[str, Any]:
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return {**material.start.config, **settings, "attn_implementation": "sdpa"}


def tokenizer_of(material: Material) -> Any:
    """Return the tokenizer as transformers wraps it."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    names = {"pad_token": "[PAD]", "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    wrapped = Tokenizer.from_str(material.tokenizer)
    wrapped.no_padding()
    wrapped.no_truncation()
    return PreTrainedTokenizerFast(tokenizer_object=wrapped, **names)


def labelled_dataset(material: Material) -> Any:
    """Return the training texts as the Trainer reads them."""
    from datasets import Dataset

    tokens = [list(map(int, material.train.tokens[row])) for row in range(len(material.train.tokens))]
    masks = [[1] * len(one) for one in tokens]
    columns = {"input_ids": tokens, "attention_mask": masks, "labels": material.train.labels.tolist()}
    return Dataset.from_dict(columns)


def blocks(material: Material) -> Any:
    """Return all training texts one after the other, cut into rows, as run_mlm's `group_texts` does."""
    from datasets import Dataset

    flat = [int(token) for row in range(len(material.train.tokens)) for token in material.train.tokens[row]]
    whole = len(flat) // ROW_TOKENS * ROW_TOKENS
    rows = [flat[start : start + ROW_TOKENS] for start in range(0, whole, ROW_TOKENS)]
    return Dataset.from_dict({"input_ids": rows, "attention_mask": [[1] * ROW_TOKENS] * len(rows)})


class Watched:
    """Time a training of the Trainer without its evaluations; stop it once a score is reached."""

    def __init__(self, every: int, score: Callable[[Any], float], target: float) -> None:
        self.every, self.score, self.target = every, score, target
        self.seconds = self.apart = 0.0
        self.scores: list[tuple[float, float]] = []

    def callback(self) -> Any:
        """Return what the Trainer calls after each step."""
        from transformers import TrainerCallback

        watched = self

        class Callback(TrainerCallback):
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                watched.began = time.perf_counter()

            def on_step_end(self, _: Any, state: Any, control: Any, model: Any, **__: Any) -> None:
                now = time.perf_counter()
                watched.seconds = now - watched.began - watched.apart
                if state.global_step % watched.every == 0:
                    watched.scores.append((watched.seconds, watched.score(model)))
                    control.should_training_stop = watched.scores[-1][1] >= watched.target
                    watched.apart += time.perf_counter() - now

        return Callback()


def train(model: Any, dataset: Any, collator: Any, watched: Watched, place: str, **settings: float) -> None:
    """Train by the Trainer on the processor, and write nothing."""
    from transformers import Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=place,
        per_device_train_batch_size=BATCH,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **settings,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=collator,
        callbacks=[watched.callback()],
    ).train()
