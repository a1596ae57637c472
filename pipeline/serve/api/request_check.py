"""What a request may hold, beyond its schema."""

from pipeline.base.config import ServeConfig
from pipeline.serve.api.schemas import ALL_TOPICS, PredictRequest
from pipeline.serve.http.errors import HttpError


def check_texts(body: PredictRequest, cfg: ServeConfig) -> None:
    """Raise HttpError 422 where a request holds too much, half a character, or a reserved topic."""
    if len(body.texts) > cfg.max_texts:
        raise HttpError(422, f"A request may contain at most {cfg.max_texts} texts.")
    if any(len(text) > cfg.max_characters for text in body.texts):
        raise HttpError(422, f"A text may have at most {cfg.max_characters} characters.")
    try:
        "".join(body.texts).encode()
    except UnicodeEncodeError:
        raise HttpError(422, "A text contains half of a surrogate pair.") from None
    if body.topic == ALL_TOPICS:
        raise HttpError(
            422, f"The topic {ALL_TOPICS!r} is reserved for all topics together. Use another name."
        )
