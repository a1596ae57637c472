"""The looks that the ledger records at a test split."""

import math
from collections.abc import Sequence

from pipeline.base.config import GateConfig, Params
from pipeline.base.documents import LooksReport, ReleaseRecord, SplitDescription
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


def report_looks(
    releases: Sequence[ReleaseRecord], release: ReleaseRecord, params: Params
) -> LooksReport | None:
    """Report the looks at the test split of a release; None where its record does not describe the split."""
    test = release.get("test")
    if test is None:
        return None
    budget = recorded_budget(releases, test, params.gate, data_version=release["data_version"])
    return {
        "used": budget.used,
        "allowed": budget.allowed,
        "left": budget.looks_left,
        "sentence": _sentence(release["release"], test, budget, params),
    }


def _sentence(name: str, test: SplitDescription, budget: LookBudget, params: Params) -> str:
    open_texts, share = test["texts"] - test["reserved"], params.gate.new_test_share
    head = (
        f"{budget.used} of {budget.allowed} looks at the test split of {name} are used, "
        f"{budget.looks_left} are left; {open_texts:,} texts are compared on, {test['reserved']:,} reserved."
    )
    if share == 1:
        return f"{head} A new one, with a new reserve, needs a test split without any of these texts."
    needed = math.ceil(test["texts"] * share / (1 - share))
    return (
        f"{head} A new test split, with new looks and a new reserve, needs {needed:,} more test texts: about "
        f"{math.ceil(needed / params.split.test):,} new labelled texts at split.test {params.split.test:g}. "
        "Feedback does not count: it only trains."
    )


def _look(release: ReleaseRecord, test: SplitDescription, data_version: str) -> EarlierLook | None:
    comparison = release.get("comparison")
    if not comparison:
        return None
    if "test" in release and "look" in comparison:
        return EarlierLook(release["test"], comparison["look"]["level"])
    return EarlierLook(test, 0.0) if release.get("data_version") == data_version else None
