"""The baselines of a release by topic, each learnt once and stored, and the state of each topic in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base import logs
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import ReleaseBaseline, TopicBaseline, TopicState, WindowReport
from pipeline.core.change.baseline import TopicWindow, learn, learning_time
from pipeline.io import files

log = logs.get("watch")
POOLED_TOPICS = 2  # all texts, and the topics beyond the judged ones


@dataclass(frozen=True)
class Baselines:
    """The baselines of the release in service, and for the other topics the newest one of another release."""

    release: str
    current: dict[str, TopicBaseline]
    earlier: dict[str, TopicBaseline]

    def of(self, topic: str) -> TopicBaseline | None:
        """Return what a topic is compared with; None where nothing has been learnt."""
        return self.current.get(topic) or self.earlier.get(topic)


def read_baselines(workspace: Workspace, windows: Sequence[WindowReport]) -> Baselines:
    """Read the baselines of the releases that made the windows; the newest one is in service."""
    release, earlier = windows[-1]["release"], dict[str, TopicBaseline]()
    current = _read(workspace, release)
    for name in dict.fromkeys(window["release"] for window in windows if window["release"] != release):
        for topic, baseline in _read(workspace, name).items():
            if (
                topic not in current
                and ("" if topic not in earlier else earlier[topic]["last"]) < baseline["last"]
            ):
                earlier[topic] = baseline
    return Baselines(release, current, earlier)


def learn_topics(
    workspace: Workspace,
    baselines: Baselines,
    topics: Mapping[str, Sequence[TopicWindow]],
    *,
    params: Params,
    log_threshold: float,
) -> None:
    """Learn each topic whose learning time is over, and store it; at most so many topics as are judged."""
    learnt, room = 0, params.watch.max_judged_topics + POOLED_TOPICS - len(baselines.current)
    for topic, windows in topics.items():
        if topic in baselines.current or learnt >= room:
            continue
        own = [window for window in windows if window.release == baselines.release]
        time = learning_time(own, weeks=params.watch.drift.learning_weeks)
        if time.until is None:
            first, last = time.windows[0].start, time.windows[-1].start
            counts = {window.start: window.texts for window in own if first <= window.start <= last}
            baselines.current[topic] = learn(
                time.windows,
                counts=counts,
                minutes=params.watch.window_minutes,
                log_threshold=log_threshold,
            )
            baselines.earlier.pop(topic, None)
            learnt += 1
            log.info("baseline.learnt", release=baselines.release, windows=len(time.windows))
    if learnt:
        document: ReleaseBaseline = {"release": baselines.release, "topics": baselines.current}
        files.write_json(_path(workspace, baselines.release), document)


def describe_states(
    topics: Mapping[str, Sequence[TopicWindow]],
    baselines: Baselines,
    windows: Sequence[WindowReport],
    *,
    params: Params,
) -> dict[str, TopicState]:
    """Say for each topic whether changes of it are looked for, and since when or why not."""
    newest = windows[-1]["window"]["start"]
    return {
        topic: _state(topic, topic_windows, baselines, newest, params)
        for topic, topic_windows in topics.items()
        if topic_windows
    }


def _state(
    topic: str, windows: Sequence[TopicWindow], baselines: Baselines, newest: str, params: Params
) -> TopicState:
    last, release = windows[-1], baselines.release
    base: TopicState = {
        "state": "not judged",
        "sentence": "",
        "release": release,
        "last_window": last.start,
    }
    if last.start < newest:
        return {**base, "sentence": f"No text since the window from {last.start}."}
    if last.profile is None:
        least = params.watch.min_texts
        return {
            **base,
            "sentence": f"Too few texts to judge: {last.texts:,} in the newest window, and at least "
            f"{least:,} are needed (watch.min_texts).",
        }
    if baseline := baselines.current.get(topic):
        return {
            **base,
            "state": "judged",
            "sentence": f"Compared with what was usual from {baseline['first']} to {baseline['last']}.",
        }
    return _learning(topic, windows, baselines, base, params)


def _learning(
    topic: str, windows: Sequence[TopicWindow], baselines: Baselines, base: TopicState, params: Params
) -> TopicState:
    own = [window for window in windows if window.release == baselines.release]
    time = learning_time(own, weeks=params.watch.drift.learning_weeks)
    if time.until is None:
        return {
            **base,
            "sentence": "Not learnt: changes of at most "
            f"{params.watch.max_judged_topics:,} topics are looked for (watch.max_judged_topics).",
        }
    sentence = (
        f"Learning what is usual under {baselines.release}, until about {time.until}; before that no alarm "
        "says that something has changed."
    )
    if topic in baselines.earlier:
        sentence += " Language and length are compared with what was usual before."
    return {**base, "state": "learning", "sentence": sentence, "learning_until": time.until}


def _path(workspace: Workspace, release: str) -> Path:
    return workspace.windows / f"baseline-{release}.json"


def _read(workspace: Workspace, release: str) -> dict[str, TopicBaseline]:
    path = _path(workspace, release)
    return dict(files.read_json(path)["topics"]) if path.is_file() else {}
