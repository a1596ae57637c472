"""Automatic rollback: feedback judges a new champion, and a significant regression rolls it back."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.documents import ObservedQuality
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert
from pipeline.core.evaluate.bootstrap import BootstrapConfig
from pipeline.core.monitor import quality
from pipeline.io.journal.reader import JournalReader
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.ledger_entries import ChampionMove
from pipeline.monitoring.labelled import LabelledPrediction, LabelPairs, batches, read_labelled
from pipeline.monitoring.reference import ReferenceCache
from pipeline.monitoring.window_files import read_windows
from pipeline.monitoring.window_report import observe_quality
from pipeline.release import promote


@dataclass(frozen=True)
class RollbackDecision:
    """Whether the champion is rolled back.

    `observed` is its quality by feedback, None where there is too little. `expected` is the accuracy it is
    expected to reach at least. `verdict` compares it with the previous release, None where it is not eligible
    for a rollback.
    """

    now: str
    champion: str | None = None
    move: ChampionMove | None = None
    observed: ObservedQuality | None = None
    expected: float | None = None
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
        elif self.observed and self.expected is not None and self.observed["high"] < self.expected:
            yield Alert(
                key=f"quality/{self.champion}",
                kind="quality",
                topic="all",
                time=self.now,
                title=f"{self.champion} is less accurate than the gate measured",
                message=(
                    f"By {self.observed['labels']:,} true labels the accuracy of {self.champion} is "
                    f"{self.observed['accuracy']:.3f} "
                    f"({self.observed['low']:.3f} to {self.observed['high']:.3f}); "
                    f"the gate measured at least {self.expected:.3f}."
                ),
                requests_retrain=True,
            )


def decide_rollback(
    workspace: Workspace, journal: JournalReader, references: ReferenceCache, *, now: str, params: Params
) -> RollbackDecision:
    """Judge the champion by the feedback of the last `watch.quality.rollback_hours` before `now`."""
    cfg, move = params.watch.quality, Ledger(workspace.ledger).last_move()
    if not move:
        return RollbackDecision(now)
    champion = references.get(move.target)
    since = times.hours_before(now, hours=cfg.rollback_hours)
    start, end = times.to_micros(since), times.to_micros(now)

    def labelled() -> Iterator[LabelledPrediction]:
        for prediction in read_labelled(journal, champion.name, since=start, until=end):
            if start <= prediction.entry.time < end:
                yield prediction

    pairs = LabelPairs()
    for prediction in labelled():
        pairs.add(prediction)
    if len(pairs.truth) < cfg.min_labels:
        return RollbackDecision(now, champion.name, move)
    bootstrap = BootstrapConfig(params.watch.resamples, params.watch.confidence, params.seed)
    # The mix of texts differs from the test split. Less the margin, the lower bound is what the champion
    # reaches on any mix.
    expected = champion.record["intervals"]["accuracy"][0] - cfg.rollback_margin
    # Repeated tests keep their error only while all labels since the promotion count, so only a new champion
    # is eligible.
    is_new = (_first_window(workspace, champion.name) or now) >= since
    eligible = is_new and move.origin is not None and not move.is_rollback
    return RollbackDecision(
        now,
        champion.name,
        move,
        observe_quality(pairs, champion.labels, bootstrap),
        expected,
        _regression(references, move, labelled(), params) if eligible else None,
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


def _first_window(workspace: Workspace, release: str) -> str | None:
    starts = (window["window"]["start"] for window in read_windows(workspace) if window["release"] == release)
    return next(starts, None)


def _regression(
    references: ReferenceCache, move: ChampionMove, labelled: Iterable[LabelledPrediction], params: Params
) -> quality.RegressionVerdict | None:
    """Compare the champion with the previous release on the same texts; None where no text is readable."""
    if move.origin is None:
        return None
    previous, champion, predicted = references.get(move.origin), LabelPairs(), list[str]()
    for batch in batches(prediction for prediction in labelled if prediction.entry.text):
        labels = previous.predictor.predict([prediction.entry.text for prediction in batch]).labels
        predicted += map(sys.intern, labels)
        for prediction in batch:
            champion.add(prediction)
    if not predicted:
        return None
    return quality.detect_regression(
        champion.truth,
        champion.predicted,
        predicted,
        params.watch.quality,
        confidence=params.watch.confidence,
        champion=move.target,
        previous=previous.name,
    )
