"""The state of each topic in words: learning, judged, or why not."""

from collections.abc import Mapping, Sequence

from pipeline.base.config import Params
from pipeline.base.documents import TopicState, WindowReport
from pipeline.core.monitor.change.baseline import TopicWindow, learning_time
from pipeline.monitoring.baselines import Baselines


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
