"""Automatic rollback: audit labels judge a new champion, and a significant regression rolls it back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import ObservedQuality
from pipeline.base.documents.audit import AuditLabel
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert
from pipeline.base.tasks import are_comparable
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import quality
from pipeline.core.monitor.alarm_budget import quality_threshold, share_of
from pipeline.core.monitor.windows import DAYS_PER_QUARTER
from pipeline.core.prevalence.ppi import first_labels
from pipeline.io.journal.reader import JournalReader
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.windows.files import read_windows
from pipeline.monitoring.windows.labelled import batches
from pipeline.release import promote


@dataclass(frozen=True)
class RollbackDecision:
    """Whether the champion is rolled back.

    `observed` is its quality by audit labels, None where there are too few. `expected` is the accuracy it is
    expected to reach at least, and `falls_short` whether it is no chance that it does not. `verdict` compares
    it with the previous release, None where it is not eligible for a rollback.
    """

    now: str
    champion: str | None = None
    move: ChampionMove | None = None
    observed: ObservedQuality | None = None
    expected: float | None = None
    falls_short: bool = False
    verdict: quality.RegressionVerdict | None = None

    def alerts(self, *, rolled_back: bool) -> Iterator[Alert]:
        """Yield an alert about the rollback, or about an accuracy below what the gate measured."""
        if self.verdict and self.verdict.degraded and self.move:
            outcome = "was rolled back" if rolled_back else "could not be rolled back"
            yield Alert(
                key=f"rollback/{self.champion}/{self.move.sequence}/{rolled_back}",
                kind="rollback",
                topic="all",
                time=self.now,
                title=f"{self.champion} {outcome} to {self.move.origin}",
                message=self.verdict.reason,
            )
        elif self.falls_short and self.observed and self.expected is not None:
            yield Alert(
                key=f"quality/{self.champion}",
                kind="quality",
                topic="all",
                time=self.now,
                title=f"{self.champion} is less accurate than the gate measured",
                message=(
                    f"By {self.observed['labels']:,} audit labels the accuracy of {self.champion} is "
                    f"{self.observed['accuracy']:.3f} "
                    f"({self.observed['low']:.3f} to {self.observed['high']:.3f}); "
                    f"the gate measured at least {self.expected:.3f}."
                ),
                requests_retrain=True,
            )


def decide_rollback(
    workspace: Workspace,
    journal: JournalReader,
    references: ReferenceCache,
    audited: Sequence[AuditLabel],
    *,
    now: str,
    params: Params,
) -> RollbackDecision:
    """Judge the champion by the audit labels of its predictions, one a text cluster.

    All of them are compared with what the gate promised; such alarms spend their part of
    `watch.false_alarms_per_quarter`. Those of texts from the first `watch.quality.rollback_hours` of its
    windows are compared with the previous release on the same texts. Both may be asked at every pass: the
    evidence holds for all looks together.
    """
    cfg, move = params.watch.quality, Ledger(workspace.ledger).last_move()
    if not move:
        return RollbackDecision(now)
    champion, before = references.get(move.target), times.to_micros(now)
    ours = first_labels(
        entry
        for entry in audited
        if entry.release == champion.name and times.to_micros(entry.labelled_at) < before
    )
    if len(ours) < cfg.min_labels:
        return RollbackDecision(now, champion.name, move)
    # The mix of texts differs from the test split. Less the margin, the lower bound is what the champion
    # reaches on any mix.
    expected = champion.record["intervals"]["accuracy"][0] - cfg.rollback_margin
    return RollbackDecision(
        now,
        champion.name,
        move,
        quality.observed_quality(
            ours,
            champion.labels,
            BootstrapConfig(params.watch.resamples, params.watch.confidence, params.seed),
            form=champion.form,
        ),
        expected,
        quality.shortfall_evidence(ours, expected, form=champion.form) >= _needed(workspace, now, params),
        _regression(references, journal, move, _early(workspace, ours, params), params),
    )


def rollback_if_degraded(
    workspace: Workspace, decision: RollbackDecision, *, actor: str
) -> promote.MoveResult | None:
    """Roll the champion back if the decision says so; None if it does not, or if the rollback fails."""
    if not (decision.verdict and decision.verdict.degraded and decision.move and decision.move.origin):
        return None
    try:
        # Whoever promoted another release meanwhile has the last word.
        return promote.rollback(
            workspace,
            to=decision.move.origin,
            actor=actor,
            reason=decision.verdict.reason,
            expected=decision.champion,
        )
    except TonewatchError as error:
        # The next pass tries again; an alert reports it.
        logs.get("watch").error("rollback.failed", release=decision.champion, reason=str(error))
        return None


def _early(workspace: Workspace, audited: Sequence[AuditLabel], params: Params) -> list[AuditLabel]:
    """Return the labels of texts from the first hours in which the release served."""
    release = audited[0].release
    starts = (window["window"]["start"] for window in read_windows(workspace) if window["release"] == release)
    first = next(starts, min(entry.time for entry in audited))
    until = times.hours_before(first, hours=-params.watch.quality.rollback_hours)
    return [entry for entry in audited if times.parse_time(entry.time) < times.parse_time(until)]


def _needed(workspace: Workspace, now: str, params: Params) -> float:
    """Return the evidence at which a champion falls short: each one of a quarter may raise a false alarm."""
    since = times.parse_time(now) - timedelta(days=DAYS_PER_QUARTER)
    moves = Ledger(workspace.ledger).moves()
    return quality_threshold(
        share_of(params.watch.false_alarms_per_quarter, "quality"),
        champions=sum(times.parse_time(move.time) >= since for move in moves),
        confidence=params.watch.confidence,
    )


def _regression(
    references: ReferenceCache,
    journal: JournalReader,
    move: ChampionMove,
    audited: Sequence[AuditLabel],
    params: Params,
) -> quality.RegressionVerdict | None:
    """Compare the champion with the previous release on the same texts.

    Return None where no text is readable, or the two answer different questions.
    """
    if move.origin is None or move.is_rollback:
        return None
    previous, readable, predicted = references.get(move.origin), list[AuditLabel](), list[str]()
    champion = references.get(move.target)
    if not are_comparable(champion.task, previous.task):
        return None
    for batch in batches(audited):
        entries = journal.find_all((entry.request, entry.position) for entry in batch)
        texts = {key: entry.text for key, entry in entries.items() if entry.text}
        kept = [entry for entry in batch if (entry.request, entry.position) in texts]
        if kept:
            wanted = [texts[entry.request, entry.position] for entry in kept]
            predicted += previous.predictor.predict(wanted).labels
            readable += kept
    if not readable:
        return None
    return quality.detect_regression(
        readable,
        predicted,
        params.watch.quality,
        confidence=params.watch.confidence,
        champion=move.target,
        previous=previous.name,
        form=champion.form,
    )
