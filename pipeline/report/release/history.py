"""The state of each release: in service, served, or never served and why."""

from collections.abc import Iterable, Sequence

from pipeline.base.documents import ReignRecord, ReleaseRecord
from pipeline.base.documents.card import ReleaseState
from pipeline.base.tasks.scores import TITLES
from pipeline.report.fields import get_path, pick
from pipeline.report.release.card import verdict


def release_states(releases: Iterable[ReleaseRecord], reigns: Sequence[ReignRecord]) -> list[ReleaseState]:
    """Return the state of each release, in the given order; `reigns` are ordered from oldest to newest."""
    champions = [reign["to"] for reign in reigns]
    return [_state(release, champions) for release in releases]


def _state(release: ReleaseRecord, champions: list[str]) -> ReleaseState:
    name = release["release"]
    state: str = verdict(release)
    if name in champions:
        state = "in service" if name == champions[-1] else "served"
    reasons = get_path(release, "decision", "reasons") if state == "refused" else ()
    return pick(
        ReleaseState,
        release,
        state=state,
        **{name: get_path(release, "evaluation", name) for name in TITLES},
        reasons=list(reasons or ()),
    )
