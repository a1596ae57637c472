"""Request and response bodies: the models behind the OpenAPI document."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DEFAULT_TOPIC, ALL_TOPICS = "general", "all"  # window reports use `all` for all topics together
REQUEST_ID = "2026112508-7d2b75000f1e2d3c4b5a69788796"
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _model(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})


class PredictRequest(BaseModel):
    """Texts to predict; monitoring reports each topic on its own."""

    model_config = _model({"texts": ["not bad at all", "I want my money back"], "topic": "phones"})

    texts: list[str] = Field(min_length=1)
    topic: Topic = DEFAULT_TOPIC


class Prediction(BaseModel):
    """The prediction for one text.

    `label` is `uncertain` where the probability of `best` is too low; `cut` says that the text has more
    tokens than the model reads, so that its end had no influence.
    """

    label: str
    best: str
    uncertain: bool
    cut: bool
    probabilities: dict[str, float]


class PredictResponse(BaseModel):
    """The predictions in the order of the texts, and the release that made them."""

    model_config = _model(
        {
            "request": REQUEST_ID,
            "release": "R2",
            "data_version": "v1",
            "model": "9f86d081884c7d65",
            "predictions": [
                {
                    "label": "positive",
                    "best": "positive",
                    "uncertain": False,
                    "cut": False,
                    "probabilities": {"negative": 0.1, "neutral": 0.2, "positive": 0.7},
                }
            ],
        }
    )

    request: str
    release: str
    data_version: str
    model: str
    predictions: list[Prediction]


class FeedbackRequest(BaseModel):
    """The true label of an earlier prediction: the id of its request, and the text's position in it."""

    model_config = _model({"request": REQUEST_ID, "position": 0, "label": "negative"})

    request: str = Field(pattern=r"^[0-9]{10}-([0-9a-f]{8})?[0-9a-f]{20}$")
    position: int = Field(ge=0, le=10_000)
    label: str = Field(max_length=200)


class FeedbackResponse(BaseModel):
    """Whether the feedback is stored."""

    stored: bool


class ReleaseResponse(BaseModel):
    """The release in service, and whether the ledger is reachable."""

    release: str
    data_version: str
    model: str
    labels: list[str]
    ledger_unreachable_since: str | None
    refused: str | None


class ErrorResponse(BaseModel):
    """What went wrong; it never contains the text that was sent."""

    error: str
    request: str
