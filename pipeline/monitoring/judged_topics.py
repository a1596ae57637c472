"""The topics of one pass: what each is compared with, which alarms start and end, and which are silent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.base.config import Params, Workspace
from pipeline.base.documents import ChangeAlarm, TopicBaseline, WindowReport
from pipeline.core.change import alarms as alarm_rules
from pipeline.core.change.baseline import TopicWindow
from pipeline.core.change.cycles import CycleName
from pipeline.core.change.profile import MODEL_FREE
from pipeline.core.change.silence import find_silence
from pipeline.core.monitor.alarm_budget import evidence_threshold, share_of
from pipeline.core.monitor.windows import windows_per_quarter
from pipeline.monitoring.baselines import Baselines, learn_topics, read_baselines
from pipeline.monitoring.windows.counts import ALL


@dataclass(frozen=True)
class JudgedTopics:
    """One pass over the windows up to the newest, whose release is in service."""

    windows: Sequence[WindowReport]
    topics: Mapping[str, Sequence[TopicWindow]]
    baselines: Baselines
    judged: str
    threshold: float
    params: Params

    @classmethod
    def of(
        cls, workspace: Workspace, windows: Sequence[WindowReport], judged: str, params: Params
    ) -> "JudgedTopics":
        """Read the baselines, and learn the topics whose learning time is over."""
        baselines = read_baselines(workspace, windows)
        names = _judged_topics(windows, baselines, params)
        topics = {name: _topic_windows(windows, name) for name in names}
        cfg = params.watch
        threshold = evidence_threshold(
            share_of(cfg.false_alarms_per_quarter, "drift"),
            detectors=len(topics) * len(alarm_rules.KINDS),
            windows_per_quarter=windows_per_quarter(cfg.window_minutes),
        )
        learn_topics(workspace, baselines, topics, params=params, log_threshold=threshold)
        return cls(windows, topics, baselines, judged, threshold, params)

    def learnt(self) -> dict[str, TopicBaseline]:
        """Return the baseline of each topic that has one."""
        learnt = {topic: self.baselines.of(topic) for topic in self.topics}
        return {topic: baseline for topic, baseline in learnt.items() if baseline}

    def judge(self, alarms: Sequence[ChangeAlarm]) -> list[ChangeAlarm]:
        """Return the alarms after the windows that no pass has judged."""
        alarms = _end_with_release(alarms, self.windows)
        gone = [alarm for alarm in alarms if alarm["topic"] not in self.topics]
        return [*gone, *(alarm for topic in self.topics for alarm in self._judge_topic(topic, alarms))]

    def _judge_topic(self, topic: str, alarms: Sequence[ChangeAlarm]) -> list[ChangeAlarm]:
        own, baseline = [a for a in alarms if a["topic"] == topic], self.baselines.of(topic)
        if baseline is None:
            return own
        learnt = topic in self.baselines.current
        profiled = [
            window
            for window in self.topics[topic]
            if window.profile and (window.release == self.baselines.release or not learnt)
        ]
        return alarm_rules.judge_topic(
            topic,
            profiled,
            baseline,
            own,
            judged=self.judged,
            minutes=self.params.watch.window_minutes,
            log_threshold=self.threshold,
            model_free=not learnt,
        )

    def look_for_silence(self, alarms: Sequence[ChangeAlarm], *, now: str) -> list[ChangeAlarm]:
        """End the silences of topics that have texts again, and find new ones; one where all are silent."""
        last = {topic: windows[-1].start for topic, windows in self.topics.items() if windows}
        after: list[ChangeAlarm] = [
            {**alarm, "until": last[alarm["topic"]]} if _has_texts_again(alarm, last) else alarm
            for alarm in alarms
        ]
        silent_topics = {a["topic"] for a in after if a["kind"] == "silence" and a["until"] is None}
        for topic in sorted(last, key=lambda topic: (topic != ALL, topic)):
            silent = None if {topic, ALL} & silent_topics else self._silence(topic, last[topic], now)
            if silent:
                silent_topics.add(topic)
                after.append(silent)
        return after

    def _silence(self, topic: str, last: str, now: str) -> ChangeAlarm | None:
        baseline, cfg = self.baselines.of(topic), self.params.watch
        silence = baseline and find_silence(
            baseline["active"],
            cast(CycleName, baseline["activity_cycle"]),
            after=last,
            until=now,
            minutes=cfg.window_minutes,
            min_texts=cfg.min_texts,
        )
        if not silence:
            return None
        return {
            "topic": topic,
            "kind": "silence",
            "series": "texts",
            "release": self.baselines.release,
            "since": silence.since,
            "detected": silence.shown_by,
            "until": None,
            "before": silence.usual_texts,
            "after": 0.0,
        }


def _has_texts_again(alarm: ChangeAlarm, last: Mapping[str, str]) -> bool:
    silent = alarm["kind"] == "silence" and alarm["until"] is None
    return silent and last.get(alarm["topic"], "") >= alarm["since"]


def _end_with_release(alarms: Iterable[ChangeAlarm], windows: Sequence[WindowReport]) -> list[ChangeAlarm]:
    """End the alarms about what another release predicted: what is usual is learnt anew."""
    release = windows[-1]["release"]
    since = _same_release(windows, release)[0]["window"]["start"]
    return [
        {**alarm, "until": since}
        if alarm["until"] is None
        and alarm["release"] != release
        and alarm["kind"] != "silence"
        and alarm["series"].partition("/")[0] not in MODEL_FREE
        else alarm
        for alarm in alarms
    ]


def _same_release(windows: Sequence[WindowReport], release: str) -> list[WindowReport]:
    """Return the windows since the release last came into service."""
    first = len(windows)
    while first and windows[first - 1]["release"] == release:
        first -= 1
    return list(windows[first:])


def _judged_topics(windows: Sequence[WindowReport], baselines: Baselines, params: Params) -> list[str]:
    """Return the topics of the newest windows and those learnt; a single one equals all texts."""
    newest = windows[-params.watch.drift.of_windows :]
    names = dict.fromkeys([ALL, *(topic for window in newest for topic in window["topics"])])
    names |= dict.fromkeys([*baselines.current, *baselines.earlier])
    return list(names) if len(names) > 2 else [ALL]


def _topic_windows(windows: Sequence[WindowReport], topic: str) -> list[TopicWindow]:
    return [
        TopicWindow(window["window"]["start"], window["release"], report["texts"], report.get("profile"))
        for window in windows
        if (report := window["topics"].get(topic)) and report["texts"]
    ]
