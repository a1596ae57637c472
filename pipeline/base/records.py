"""The records everyone shares: a text, a prediction and its feedback, an alert, a stage's receipt."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.base.labels import unpack_labels

SplitName = Literal["train", "valid", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "valid", "test")
# What a source writes as the split of texts that may neither select nor test a model.
TRAIN_ONLY = "train only"


@dataclass(frozen=True, slots=True)
class TextRecord:
    """Hold one labelled text and its origin.

    `group` names what it belongs to (a thread, an author): a group stays in one split. `split` is set where
    the source brings its own. `raters` holds the number each rater gave, where the source has them:
    ascending, separated by spaces. `time` is UTC as 2026-09-13T08:00:00Z, empty where it is not known.
    `more_labels` holds the labels of a text that has several, without `label`, the first of them: a JSON list
    in the order of `collect.labels`.
    """

    id: str
    text: str
    label: str
    source: str
    group: str
    lang: str
    time: str
    licence: str
    split: str = ""
    raters: str = ""
    # Newer than data versions that must still be readable.
    topic: str = ""
    more_labels: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Return all labels of the text, none where it has none."""
        return (self.label, *unpack_labels(self.more_labels)) if self.label else ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Hold one row that could not be read, its place and the reason.

    `where` is the file or source; `line`, `row` and `column` are 0, 0 and "" where they are unknown.
    `content` holds the first 200 characters of it.
    """

    where: str
    line: int
    row: int
    column: str
    reason: str
    content: str


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """Hold one prediction of the service; the fields are the columns of the journal.

    `request` and `position` identify it. `time` is UTC as 2026-11-25T08:00:00.000000Z, so that times sort as
    text. `text` is masked, and empty where only its hash is kept; otherwise `lang` is empty. `digest` is the
    HMAC-SHA-256 of the masked text under the key of the workspace. `probabilities` are in the order of the
    release's labels. `unknown` is the share of unknown tokens.

    `time` is when the text came, `written` when it was written, as the client says, and empty where it does
    not. `text_id` is the client's own id of the text, `more_topics` are those beside `topic`. `cluster` is
    equal for copies of one text; see core/monitor/text_clusters.py.
    """

    request: str
    position: int
    time: str
    text: str
    digest: str
    label: str
    uncertain: bool
    probabilities: tuple[float, ...]
    release: str
    data_version: str
    client: str
    topic: str
    lang: str
    words: int
    unknown: float
    # Newer than journals that must still be readable.
    written: str = ""
    text_id: str = ""
    more_topics: tuple[str, ...] = ()
    cluster: str = ""

    @property
    def event_time(self) -> str:
        """Return when the text was written, or when it came where that is not known."""
        return self.written or self.time

    @property
    def topics(self) -> tuple[str, ...]:
        """Return all topics of the text."""
        return (self.topic, *self.more_topics)


@dataclass(frozen=True, slots=True)
class Feedback:
    """Hold the true label of a prediction and its sender; the fields are the columns of the journal.

    It holds no text: readers take that of the prediction, as long as it is kept.
    """

    request: str
    position: int
    time: str
    label: str
    client: str
    topic: str


@dataclass(frozen=True)
class Alert:
    """Hold one alert.

    `key` names its subject: alerts with the same key are not repeated within the quiet period. `kind` is
    drift, quality, event, rollback, data, integrity or run. `link` is the page with details.
    """

    key: str
    kind: str
    topic: str
    time: str
    title: str
    message: str
    requests_retrain: bool = False
    link: str = ""


@dataclass(frozen=True)
class Receipt:
    """Describe what a stage did: counts, figures, notes, and the SHA-256 of each file it left.

    It holds neither time nor place, so equal work leaves equal receipts.
    """

    stage: str
    counts: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def counts_by(name: str, values: Iterable[str]) -> dict[str, int]:
    """Count equal values under the keys `name/value`, sorted by value."""
    return {f"{name}/{value}": number for value, number in sorted(Counter(values).items())}
