"""The looks that the ledger records at a test split."""

from collections.abc import Sequence

from pipeline.base.config import GateConfig
from pipeline.base.documents import ReleaseRecord, SplitDescription
from pipeline.core.gate.looks import EarlierLook, LookBudget, look_budget


def recorded_budget(
    releases: Sequence[ReleaseRecord], test: SplitDescription, gate: GateConfig, *, data_version: str
) -> LookBudget:
    """Return what the verdicts in the ledger leave of the budget of a test split.

    Every verdict on a comparison is a look, whatever it decided. Records of earlier versions do not describe
    their test split; those of the same data version count as looks at it that spent nothing.
    """
    looks = [look for release in releases if (look := _look(release, test, data_version)) is not None]
    return look_budget(test, looks, gate)


def _look(release: ReleaseRecord, test: SplitDescription, data_version: str) -> EarlierLook | None:
    comparison = release.get("comparison")
    if not comparison:
        return None
    if "test" in release and "look" in comparison:
        return EarlierLook(release["test"], comparison["look"]["level"])
    return EarlierLook(test, 0.0) if release.get("data_version") == data_version else None
