"""What is asked of the service and what it answers: the models behind its OpenAPI document."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# `all` is what the watch calls all topics together.
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
DEFAULT_TOPIC, RESERVED_TOPIC = "general", "all"
REQUEST = "2026112508-0f1e2d3c4b5a69788796"


def _model(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})


class PredictRequest(BaseModel):
    """Texts to label; the topic is what the watch tells apart."""

    model_config = _model({"texts": ["not bad at all", "I want my money back"], "topic": "phones"})

    texts: list[str] = Field(min_length=1)
    topic: Topic = DEFAULT_TOPIC


class Prediction(BaseModel):
    """The answer for one text: `label` is `uncertain` where the model is too little sure of `best`."""

    label: str
    best: str
    uncertain: bool
    probabilities: dict[str, float]


class PredictResponse(BaseModel):
    """The answers in the order of the texts, and who gave them."""

    model_config = _model(
        {
            "request": REQUEST,
            "release": "R2",
            "data_version": "v1",
            "model": "9f86d081884c7d65",
            "answers": [
                {
                    "label": "positive",
                    "best": "positive",
                    "uncertain": False,
                    "probabilities": {"negative": 0.1, "neutral": 0.2, "positive": 0.7},
                }
            ],
        }
    )

    request: str
    release: str
    data_version: str
    model: str
    answers: list[Prediction]


class FeedbackRequest(BaseModel):
    """The true label of a past answer: the request's id, and the place of the text in it."""

    model_config = _model({"request": REQUEST, "position": 0, "label": "negative"})

    request: str = Field(pattern=r"^[0-9]{10}-[0-9a-f]{20}$")
    position: int = Field(ge=0, le=10_000)
    label: str = Field(max_length=200)


class FeedbackResponse(BaseModel):
    """What was kept."""

    kept: bool


class ReleaseResponse(BaseModel):
    """Who answers now, and whether the ledger can be asked."""

    release: str
    data_version: str
    model: str
    labels: list[str]
    ledger_unreachable_since: str | None
    refused: str | None


class ErrorResponse(BaseModel):
    """What went wrong, in words; never the text that was sent."""

    error: str
    request: str
