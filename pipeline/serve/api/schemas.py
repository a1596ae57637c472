"""Request and response bodies: the models behind the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from pipeline.base.tasks import join_labels
from pipeline.base.tasks.targets import with_target

DEFAULT_TOPIC, ALL_TOPICS = "general", "all"  # window reports use `all` for all topics together
REQUEST_ID = "2026112508-7d2b75000f1e2d3c4b5a69788796"
MAX_TOPICS = 8  # of one text
MAX_TARGET = 200  # characters
MAX_LABELS = 100  # of one text
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Topics = Annotated[list[Topic], Field(min_length=1, max_length=MAX_TOPICS)]
# No blanks and no @, which belong to names and addresses of people.
TextId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,127}$")]

Target = Annotated[str, StringConstraints(max_length=MAX_TARGET, pattern=r"\S")]


def _written(value: object) -> object:
    # A number could be seconds or milliseconds.
    if isinstance(value, str | datetime):
        return value
    raise ValueError("write it as 2026-11-25T08:00:00Z")


Written = Annotated[AwareDatetime, BeforeValidator(_written)]


def _model(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})


class TextItem(BaseModel):
    """A text with what is known of it.

    `time` is when it was written, with its zone: monitoring puts it into that window. `id` is your own name
    for it, which holds nothing personal. `topics` take the place of those of the request. `target` is what
    in the text the label is about, where the release labels targets (task `aspect`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    target: Target | None = None
    time: Written | None = None
    id: TextId | None = None
    topics: Topics | None = None

    @property
    def whole(self) -> str:
        """Return the text with its target, as a predictor reads it."""
        return self.text if self.target is None else with_target(self.text, self.target)


def _shape(value: object) -> str:
    return "text" if isinstance(value, str) else "item"


TextOrItem = Annotated[Annotated[str, Tag("text")] | Annotated[TextItem, Tag("item")], Discriminator(_shape)]


class PredictRequest(BaseModel):
    """Texts to predict, each a string or an object; monitoring reports each topic on its own."""

    model_config = _model(
        {
            "texts": [
                "not bad at all",
                {"text": "I want my money back", "time": "2026-11-25T08:00:00Z", "id": "post-17"},
            ],
            "topic": "phones",
        }
    )

    texts: list[TextOrItem] = Field(min_length=1)
    topic: Topic = DEFAULT_TOPIC
    topics: Topics | None = None

    @property
    def items(self) -> list[TextItem]:
        """Return each text as an item with its topics."""
        shared = self.topics or [self.topic]
        return [
            TextItem(text=one, topics=shared)
            if isinstance(one, str)
            else one.model_copy(update={"topics": one.topics or shared})
            for one in self.texts
        ]


class EntitySpan(BaseModel):
    """An entity of a text: the characters (code points) from `start` up to `end`, without it."""

    start: int
    end: int
    label: str
    text: str


class Prediction(BaseModel):
    """The prediction for one text.

    `label` is `uncertain` where the probability of `best` is too low; `cut` says that the text has more
    tokens than the model reads, so that its end had no influence. Where the release gives a text several
    labels, `labels` are those of `best`; where it finds entities, `spans` are they; where it writes,
    `generated` is the text, and there are no probabilities; else all three are left out.
    """

    label: str
    best: str
    uncertain: bool
    cut: bool
    probabilities: dict[str, float]
    labels: list[str] | None = None
    spans: list[EntitySpan] | None = None
    generated: str | None = None


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
    """The true label of an earlier prediction: the id of its request, and the text's position in it.

    Where the release gives a text several labels, `labels` takes the place of `label`: all that are true, or
    none of them.
    """

    model_config = _model({"request": REQUEST_ID, "position": 0, "label": "negative"})

    request: str = Field(pattern=r"^[0-9]{10}-([0-9a-f]{8})?[0-9a-f]{20}$")
    position: int = Field(ge=0, le=10_000)
    label: str | None = Field(default=None, max_length=200)
    labels: list[Annotated[str, StringConstraints(max_length=200)]] | None = Field(
        default=None, max_length=MAX_LABELS
    )

    @property
    def written(self) -> str | None:
        """Return the answer as one string, None where there is none, or two."""
        if (self.label is None) == (self.labels is None):
            return None
        return self.label if self.labels is None else join_labels(self.labels)


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
