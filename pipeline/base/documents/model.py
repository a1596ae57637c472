"""The settings of a served model, `model.json`."""

from typing import NotRequired, TypedDict

from pipeline.base.tasks import SINGLE_LABEL, TaskName

# What a setting is where a model does not name it.
UNNAMED: dict[str, object] = {"long_texts": "head", "task": SINGLE_LABEL, "answer_tokens": 0}


class ModelSettings(TypedDict):
    """What a predictor needs besides the network and the tokenizer.

    Logits are divided by `temperature`; a prediction of a probability below `uncertain` is uncertain.
    `teacher` is the digest of the uncompressed fine-tuned model, `variant` the name of the variant on the
    menu. `preparation` names how texts are prepared for the model (core/privacy/preparation.py); models of
    earlier versions name none. `long_texts` says what is read of a text of more than `max_tokens` tokens;
    one without it reads the beginning. `task` says how logits become answers, one label without it;
    `thresholds` are those of labels that do not exclude each other, in their order. Of a model that writes,
    `answer_tokens` bounds what it writes, and one that `continues` goes on from the end of a text.
    """

    labels: list[str]
    max_tokens: int
    temperature: float
    uncertain: float
    teacher: NotRequired[str]
    variant: NotRequired[str]
    preparation: NotRequired[str]
    long_texts: NotRequired[str]
    task: NotRequired[TaskName]
    thresholds: NotRequired[list[float]]
    answer_tokens: NotRequired[int]
    continues: NotRequired[bool]
