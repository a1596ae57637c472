"""The time after a promotion: true labels judge the champion, and it is taken back by itself when it surely fails."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.base import logs, times
from pipeline.base.config import Params, Workspace
from pipeline.base.errors import TonewatchError
from pipeline.base.records import Alert, JournalEntry
from pipeline.core.monitor import quality
from pipeline.io.journal.journal import Journal, latest_labels
from pipeline.io.registry.ledger import ChampionMove, Ledger
from pipeline.monitoring.model_change import read_windows
from pipeline.monitoring.reference import ReleaseReference
from pipeline.release import promote
from pipeline.report.release.history import reigns


@dataclass(frozen=True)
class RollbackDecision:
    """Hold what true labels say of the champion: how it stands, and whether the release before it surely was better."""

    now: str
    champion: str | None
    move: ChampionMove | None
    observed: dict[str, Any] | None
    expected: float | None
    fallen: quality.RegressionVerdict | None

    def alerts(self, moved: "promote.MoveResult | None") -> Iterator[Alert]:
        """Tell that a release was taken back, or should be and could not be, or that it does worse than it was judged to."""
        if self.fallen and self.fallen.fell and self.move:
            done = "was rolled back" if moved else "should be rolled back, and could not be now"
            title = f"{self.champion} {done} to {self.move.origin}"
            yield Alert(
                f"rollback/{self.champion}/{self.move.sequence}/{bool(moved)}",
                "rollback",
                "all",
                self.now,
                title,
                self.fallen.reason,
            )
        elif self.observed and self.expected is not None and self.observed["high"] < self.expected:
            reason = (
                f"By {self.observed['labels']} true labels {self.champion} has an accuracy of {self.observed['accuracy']:.3f} "
                f"({self.observed['low']:.3f} to {self.observed['high']:.3f}); when it was judged it had {self.expected:.3f} at least."
            )
            title = f"{self.champion} does worse than it was judged to"
            yield Alert(f"quality/{self.champion}", "quality", "all", self.now, title, reason, hard=True)


def judge_champion(workspace: Workspace, journal: Journal, *, now: str, params: Params) -> RollbackDecision:
    """Judge the champion by the true labels told of its answers within the baking time before `now`."""
    ledger, cfg = Ledger(workspace.ledger), params.watch.quality
    moves = ledger.moves()
    if not moves:
        return RollbackDecision(now, None, None, None, None, None)
    last, champion = moves[-1], ReleaseReference.of(workspace, moves[-1].target)
    pairs = _pairs(
        journal,
        champion.name,
        since=times.to_micros(times.hours_before(now, hours=cfg.rollback_hours)),
        until=times.to_micros(now),
    )
    if len(pairs) < cfg.min_labels:
        return RollbackDecision(now, champion.name, last, None, None, None)
    truth, guess = [label for label, _ in pairs], [answer.label for _, answer in pairs]
    chance: dict[str, Any] = {
        "resamples": params.watch.resamples,
        "confidence": params.watch.confidence,
        "seed": params.seed,
    }
    observed = quality.observed_quality(truth, guess, champion.labels, **chance)
    # Of a wholly other mix of texts less may be expected; what it had at least, less the margin, is no matter of the mix.
    expected = float(champion.document["intervals"]["accuracy"][0]) - cfg.rollback_margin
    # Whether a release surely fails may be asked often only because all its labels are looked at, and only while it bakes.
    bakes = (_begun(workspace, champion.name) or now) >= times.hours_before(now, hours=cfg.rollback_hours)
    return RollbackDecision(
        now,
        champion.name,
        last,
        observed,
        expected,
        _fallen(workspace, ledger, pairs, params) if bakes else None,
    )


def rollback_if_degraded(
    workspace: Workspace, baked: RollbackDecision, *, actor: str
) -> "promote.MoveResult | None":
    """Roll back when the release before is surely better by the margin; None when it is not, or when that could not be done now."""
    if not (baked.fallen and baked.fallen.fell and baked.move and baked.move.origin):
        return None
    try:
        return promote.rollback(workspace, to=baked.move.origin, actor=actor, reason=baked.fallen.reason)
    except TonewatchError as error:
        # The next pass tries again; until then an alert says so.
        logs.get("watch").error("rollback failed", release=baked.champion, why=str(error))
        return None


def _begun(workspace: Workspace, release: str) -> str | None:
    """Give the start of the first window that a release answered."""
    return next(
        (
            document["window"]["start"]
            for document in read_windows(workspace)
            if document["release"] == release
        ),
        None,
    )


def _fallen(
    workspace: Workspace, ledger: Ledger, pairs: list[tuple[str, JournalEntry]], params: Params
) -> "quality.RegressionVerdict | None":
    """Let the release before answer the same texts, if the champion is a new one that it could be taken back for."""
    reign = reigns([move.as_dict() for move in ledger.moves()])[-1]
    readable = [(label, answer) for label, answer in pairs if answer.text]
    if reign["kind"] != "on" or not readable:
        return None
    before = ReleaseReference.of(workspace, str(reign["from"]))
    theirs = before.predictor.predict([answer.text for _, answer in readable]).labels
    truth, mine = [label for label, _ in readable], [answer.label for _, answer in readable]
    names = {"champion": str(reign["to"]), "previous": before.name}
    return quality.detect_regression(
        truth, mine, list(theirs), params.watch.quality, confidence=params.watch.confidence, names=names
    )


def _pairs(journal: Journal, release: str, *, since: str, until: str) -> list[tuple[str, JournalEntry]]:
    """Give the true labels told of a release's answers since then, each with its answer; the last told label counts."""
    entries = latest_labels(entry for entry in journal.labels(since) if entry.time < until)
    found = journal.find_all((entry.request, entry.position) for entry in entries)
    pairs = ((entry.label, found.get((entry.request, entry.position))) for entry in entries)
    return [
        (label, answer)
        for label, answer in pairs
        if answer and answer.release == release and since <= answer.time < until
    ]
