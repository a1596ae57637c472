"""When a stage runs: unchanged stages are skipped, pinned data stay, and DVC records nothing that did not run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.base import logs
from pipeline.base.config import NEWEST, Workspace
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params, load_profile, set_params
from pipeline.io.versioning import data_versions
from pipeline.release import promote, reconcile
from pipeline.release.judge import champion_of_candidate
from pipeline.stages.context import StageContext
from pipeline.stages.runner import run_stage
from pipeline.stages.table import STAGES

log = logs.get("retrain")
ALWAYS_RUN = ("identity",)
DATA_STAGES = ("collect", "clean", "validate", "split")


@dataclass(frozen=True)
class StageOutcome:
    """Hold how a stage ended: its receipt, and whether it ran or was skipped as unchanged."""

    receipt: Receipt
    ran: bool


def open_context(workspace: Workspace, profile_name: str) -> StageContext:
    """Return the context of the stages of a workspace on a machine of this profile.

    Raises ConfigError when the profile is unknown or params.yaml is not valid.
    """
    load_params(workspace.params)
    return StageContext(workspace, load_profile(profile_name))


def prepare(context: StageContext) -> None:
    """Finish a move that was interrupted, and check out the data that `data.version` pins."""
    promote.finish_interrupted_move(context.workspace)
    checkout_pinned_data(context)


def run_if_changed(context: StageContext, name: str) -> StageOutcome:
    """Run a stage unless it ran before on what it depends on, and record in DVC that it ran."""
    if name in DATA_STAGES and context.params.data.version != NEWEST:
        log.info("stage.pinned", stage=name, data_version=context.params.data.version)
    elif name in ALWAYS_RUN or not (context.dvc_cache.unchanged(name) or context.dvc_cache.restored(name)):
        receipt = run_stage(context, name)
        ensure_params_unchanged(context)
        context.dvc_cache.commit(name)
        return StageOutcome(receipt, ran=name not in ALWAYS_RUN)
    else:
        log.info("stage.unchanged", stage=name)
    return StageOutcome(files.read_receipt(context.folder(name)), ran=False)


def checkout_pinned_data(context: StageContext) -> None:
    """Make the work tree's data those of the version that `data.version` pins, if it pins one."""
    if context.params.data.version == NEWEST:
        return
    version = data_versions.checkout_version(context.workspace.root, context.params.data.version)
    if unknown := sorted(set(version.labels) - set(context.params.collect.labels)):
        raise UsageError(
            f"{version.name} holds texts labelled {', '.join(unknown)}, which collect.labels does not name. "
            f"Name them there, or type `tonewatch run --set data.version={NEWEST}`."
        )


def ensure_params_unchanged(context: StageContext) -> None:
    """Raise WrongUse when params.yaml is no longer what this run was started with: DVC would record what did not run."""
    path = context.workspace.params
    if load_params(path) != context.params:
        raise UsageError(
            f"{path} changed during the run. Completed stages are kept; type `tonewatch run` again."
        )


def run_stage_by_hand(context: StageContext, name: str) -> Receipt:
    """Run one stage as `tonewatch stage` does, and so `dvc repro`.

    Raises WrongUse for a stage of the data while `data.version` pins one: it would put other texts in its place.
    """
    if name in DATA_STAGES and context.params.data.version != NEWEST:
        raise UsageError(
            f"data.version pins {context.params.data.version}, so `{name}` would change what should stay. "
            f"Type `tonewatch run --set data.version={NEWEST}` to collect again."
        )
    with workspace_lock(context.workspace.home):
        return run_stage(context, name)


def change_params(workspace: Workspace, assignments: Sequence[str]) -> list[str]:
    """Write values into params.yaml, all or none, while nothing runs; return a sentence for each.

    A move that was interrupted is finished first: it may still have to put its own params there.
    """
    with workspace_lock(workspace.home):
        promote.finish_interrupted_move(workspace)
        return set_params(workspace.params, assignments)


def up_to_date_release(context: StageContext) -> dict[str, Any] | None:
    """Return the champion when every stage is unchanged and it is what they led to; None when there is work to do.

    Asked before a flow is started, which takes longer than the answer.
    """
    with workspace_lock(context.workspace.home):
        if context.params.data.version != NEWEST or reconcile.is_behind(context.workspace):
            return None
        run_stage(context, "identity")
        for stage in STAGES[1:]:
            if not context.dvc_cache.unchanged(stage.name):
                return None
            log.info("stage.unchanged", stage=stage.name)
        return _champion_made_of_it(context)


def _champion_made_of_it(context: StageContext) -> dict[str, Any] | None:
    fingerprint = files.read_receipt(context.folder("split")).notes["fingerprint"]
    versions = data_versions.list_versions(context.workspace.root)
    names = [version.name for version in versions if version.fingerprint == fingerprint]
    try:
        return champion_of_candidate(context.workspace, names[0]) if names else None
    except TonewatchError:
        # Something does not hold; the run will find out what, and say it.
        return None
