"""What a topic is usually like, the alarms about what has changed since, and the state of each topic."""

from typing import Literal, NotRequired, TypedDict

ChangeKind = Literal["language", "encoding", "topic", "label", "silence"]


class WindowProfile(TypedDict):
    """What the texts of a topic in one window are like.

    `mean` and its standard error `noise` are by series: label/<label> (share of predictions), confidence,
    unknown (share of unknown tokens), length (logarithm of words), topic/<axis> (embedding, in standard
    deviations of the reference). `languages` counts the texts whose language was detected.
    """

    mean: dict[str, float]
    noise: dict[str, float]
    languages: dict[str, int]


class SeriesBaseline(TypedDict):
    """The usual value of a series by slot of a cycle, and how it wanders around it.

    `rho` is the autocorrelation from window to window, `level` and `white` are variances, `scale` widens
    them.
    """

    cycle: str
    usual: dict[str, float]
    rho: float
    level: float
    white: float
    scale: float


class TopicBaseline(TypedDict):
    """What a topic was like in its learning time, from the window `first` to the window `last`.

    `languages` are the usual ones, the most frequent first; `active` holds the usual number of texts by slot
    of `activity_cycle`, of the slots that always had some.
    """

    first: str
    last: str
    windows: int
    languages: list[str]
    series: dict[str, SeriesBaseline]
    activity_cycle: str
    active: dict[str, float]


class ReleaseBaseline(TypedDict):
    """The baselines of a release by topic; each is learnt once and stays as it is."""

    release: str
    topics: dict[str, TopicBaseline]


class ChangeAlarm(TypedDict):
    """An alarm: since the window `since` a series of a topic is not what it was.

    `detected` is the window that showed it, `until` the window in which it ended, None while it is active.
    `before` is the usual mean of `series` at these hours, `after` the mean since then. `same_as` names the
    alarm or the change point that tells of the same event, so that it is alerted once.
    """

    topic: str
    kind: ChangeKind
    series: str
    release: str
    since: str
    detected: str
    until: str | None
    before: float
    after: float
    same_as: NotRequired[str]


class TopicState(TypedDict):
    """Whether changes of a topic are looked for; `sentence` says it in words.

    `state` is learning, judged, or not judged. `learning_until` is the day on which the learning time ends if
    texts keep coming.
    """

    state: Literal["learning", "judged", "not judged"]
    sentence: str
    release: str
    last_window: str
    learning_until: NotRequired[str]


class ChangeStates(TypedDict):
    """The state of each topic and all alarms, the oldest first, after the window `judged`."""

    judged: str
    topics: dict[str, TopicState]
    alarms: list[ChangeAlarm]
