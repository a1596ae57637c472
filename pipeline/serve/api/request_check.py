"""What a request may hold, beyond its schema."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipeline.base.config import ServeConfig
from pipeline.base.tasks import TaskName, reads_targets
from pipeline.inference.champion import LoadedRelease
from pipeline.serve.api.schemas import ALL_TOPICS, FeedbackRequest, TextItem
from pipeline.serve.http.errors import HttpError

# A client's clock may be ahead by so much; the text then counts as written when it came.
CLOCK_TOLERANCE = timedelta(minutes=5)
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


def check_texts(items: Sequence[TextItem], cfg: ServeConfig, *, now: datetime) -> None:
    """Raise HttpError 422 where a request holds too much, half a character, or a topic or time it may not."""
    if len(items) > cfg.max_texts:
        raise HttpError(422, f"A request may contain at most {cfg.max_texts} texts.")
    if any(len(item.text) > cfg.max_characters for item in items):
        raise HttpError(422, f"A text may have at most {cfg.max_characters} characters.")
    try:
        "".join(item.whole for item in items).encode()
    except UnicodeEncodeError:
        raise HttpError(422, "A text contains half of a surrogate pair.") from None
    for position, item in enumerate(items):
        if ALL_TOPICS in (item.topics or ()):
            raise HttpError(
                422, f"The topic {ALL_TOPICS!r} is reserved for all topics together. Use another name."
            )
        if item.time and not OLDEST <= item.time <= now + CLOCK_TOLERANCE:
            raise HttpError(
                422,
                f"texts.{position}.time: it is before 1970 or after now, {now:%Y-%m-%dT%H:%M:%SZ}. "
                "Send when the text was written, in its zone, as 2026-11-25T08:00:00Z or with +01:00.",
            )


def check_targets(items: Sequence[TextItem], task: TaskName) -> None:
    """Raise HttpError 422 where a text lacks the target that a release labels, or has one needlessly."""
    wanted = reads_targets(task)
    for position, item in enumerate(items):
        if wanted and item.target is None:
            raise HttpError(
                422,
                f"texts.{position}: it has no target, and this release labels a target in each text. "
                'Send {"text": "the soup was cold", "target": "soup"}.',
            )
        if not wanted and item.target is not None:
            raise HttpError(
                422,
                f"texts.{position}.target: this release labels texts as a whole (task {task}). "
                "Leave the target out.",
            )


def feedback_answer(body: FeedbackRequest, release: LoadedRelease) -> str:
    """Return the true answer in feedback; raises HttpError for one that the release cannot give."""
    if release.no_feedback:
        raise HttpError(422, release.no_feedback)
    if body.written is None:
        raise HttpError(422, "Send `label`, or where a text may have several, `labels`.")
    answer = release.read_answer(body.written)
    if answer is None:
        raise HttpError(422, f"Unknown label. Labels: {', '.join(release.labels)}.")
    return answer
