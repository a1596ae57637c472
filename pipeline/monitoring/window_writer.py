"""Write the reports of windows: what was predicted in each, what is known of it, and what a new model did."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import TopicReport, WindowReport
from pipeline.base.documents.audit import AuditLabel
from pipeline.core.monitor.windows import Window
from pipeline.io import files
from pipeline.io.journal.counting import TopicChoice
from pipeline.io.journal.reader import JournalReader
from pipeline.monitoring.changes import read_states
from pipeline.monitoring.model_effect import OLD_TEXTS_MINUTES, measure_model_change
from pipeline.monitoring.reference import ReferenceCache, ReleaseReference
from pipeline.monitoring.window_report import UNCORRECTED_KINDS, describe_topics
from pipeline.monitoring.windows.counts import ALL, OTHER, WindowPredictions, count_releases, count_window
from pipeline.monitoring.windows.files import read_newest_windows
from pipeline.monitoring.windows.labelled import HOURS_A_DAY, labels_of_window

log = logs.get("watch")


@dataclass(frozen=True)
class WindowWriter:
    """Write one window after the other; `audited` are the audit labels that correct their shares."""

    workspace: Workspace
    journal: JournalReader
    references: ReferenceCache
    audited: Sequence[AuditLabel]
    params: Params

    def write(self, window: Window) -> bool:
        """Write the report of a window; return whether there were predictions in it."""
        start, end = times.to_micros(window.start), times.to_micros(window.end)
        recent = self._before(window, self.params.watch.drift.of_windows)
        choice = self._choose_topics(recent, window)
        counts = self.journal.counts(
            start, end, named=choice.named, other=OTHER, content=self.references.content
        )
        if not counts:
            return False
        releases = count_releases(counts)
        reference = self.references.get(max(releases, key=lambda name: releases[name]))
        predictions = count_window(
            self.journal, counts, start=start, end=end, release=reference.name, named=choice.named
        )
        model_change = None
        if recent and recent[-1]["release"] != reference.name:
            model_change = measure_model_change(
                self.journal,
                self.references,
                reference,
                predictions,
                earlier=self._before(window, OLD_TEXTS_MINUTES // self.params.watch.window_minutes),
                params=self.params,
            )
        report: WindowReport = {
            "window": {"start": window.start, "end": window.end},
            "release": reference.name,
            "data_version": reference.record["data_version"],
            "predictions": predictions.topics[ALL].texts,
            "releases": releases,
            "topics": self._describe_topics(reference, predictions, window),
            "model_change": model_change,
            "other_topics": choice.others,
            "task": reference.task,
        }
        files.write_json(self.workspace.windows / f"{window.name}.json", report)
        predicted = sum(releases.values())
        log.info("window.written", start=window.start, predictions=predicted, release=reference.name)
        return True

    def _before(self, window: Window, number: int) -> list[WindowReport]:
        """Read the newest windows before this one."""
        return read_newest_windows(self.workspace, number, before=window.name)

    def _choose_topics(self, recent: Sequence[WindowReport], window: Window) -> TopicChoice:
        """Choose the topics that are reported by name, and say how many others are one topic."""
        judged = read_states(self.workspace)["topics"].keys()
        known = {topic for report in recent for topic in report["topics"]} | set(judged)
        most = min(self.params.serve.max_topics, self.params.watch.max_judged_topics)
        start, end = times.to_micros(window.start), times.to_micros(window.end)
        choice = self.journal.choose_topics(start, end, known=known, most=most)
        if choice.others:
            log.warning("topics.merged", topics=choice.others, limit=most, start=window.start)
        return choice

    def _describe_topics(
        self, reference: ReleaseReference, predictions: WindowPredictions, window: Window
    ) -> dict[str, TopicReport]:
        cfg = self.params.watch
        labelled_windows = int(cfg.prevalence.label_days * HOURS_A_DAY * 60 // cfg.window_minutes)
        earlier = self._before(window, labelled_windows) if self.audited else []
        # A label or silence alarm must not hide one that forbids a correction.
        active_alarms = {
            alarm["topic"]: alarm["kind"]
            for alarm in read_states(self.workspace)["alarms"]
            if alarm["until"] is None and alarm["kind"] in UNCORRECTED_KINDS
        }
        return describe_topics(
            reference,
            predictions,
            labels_of_window(self.audited, earlier, predictions, labels=reference.labels, cfg=cfg.prevalence),
            window=window,
            cfg=cfg,
            seed=self.params.seed,
            active_alarms=active_alarms,
        )
