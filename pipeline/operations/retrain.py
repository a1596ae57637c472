"""Retraining: what runs before and around the stages, and whether there is anything to run."""

from collections.abc import Sequence
from typing import TypedDict

from pipeline.base import logs
from pipeline.base.config import NEWEST, Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.locks import workspace_lock
from pipeline.io.params_file import load_params, load_profile, set_params
from pipeline.io.versioning import data_versions
from pipeline.operations.data.remotes import push_pending
from pipeline.operations.forgetting.records import finish_forgetting
from pipeline.release import reconcile
from pipeline.release.judge import champion_of_candidate
from pipeline.release.promote import MoveResultRecord
from pipeline.release.register import prepare_registry, refuse_other_task
from pipeline.stages.context import StageContext
from pipeline.stages.runner import DATA_STAGES, run_stage
from pipeline.stages.table import STAGES

log = logs.get("retrain")


class RetrainResult(TypedDict):
    """Describe how a retrain ended.

    `document` is the release, `ran` the stages that were not skipped, `moved` the promotion if there was one;
    `waiting` is true when the release waits for a person's approval.
    """

    document: ReleaseRecord
    ran: list[str]
    moved: MoveResultRecord | None
    waiting: bool


def open_context(workspace: Workspace, profile_name: str) -> StageContext:
    """Return the context of the stages of a workspace on a machine of this profile.

    Raises ConfigError when the profile is unknown or params.yaml is not valid.
    """
    load_params(workspace.params)
    return StageContext(workspace, load_profile(profile_name))


def prepare(context: StageContext) -> None:
    """Finish an interrupted move, make sure of the registry, and check out the data `data.version` pins."""
    reconcile.finish_interrupted_move(context.workspace)
    catch_up(context.workspace)
    refuse_other_task(context.workspace)
    prepare_registry(context.workspace)
    checkout_pinned_data(context)


def catch_up(workspace: Workspace) -> None:
    """Finish what the DVC remotes still owe: forgetting, and pushes that failed."""
    finish_forgetting(workspace)
    push_pending(workspace.root)


def follow_moves(context: StageContext) -> None:
    """Apply a rollback that was made while this run worked; what fails is left to the next command."""
    try:
        sentences = reconcile.finish_interrupted_move(context.workspace)
    except TonewatchError as error:
        sentences = [str(error)]
    for sentence in sentences:
        log.info("move.followed", step=sentence)


def checkout_pinned_data(context: StageContext) -> None:
    """Check out the data version that `data.version` pins, if it pins one.

    Raises UsageError when the version holds a label that `collect.labels` lacks.
    """
    if context.params.data.version == NEWEST:
        return
    version = data_versions.checkout_version(context.workspace.root, context.params.data.version)
    unknown = sorted(set(version.labels) - set(context.params.collect.labels))
    if unknown:
        raise UsageError(
            f"{version.name} holds texts with the label {', '.join(unknown)}, which collect.labels lacks. "
            f"Add it there, or type `tonewatch run --set data.version={NEWEST}`."
        )


def run_stage_by_hand(context: StageContext, name: str) -> Receipt:
    """Run one stage whatever DVC has recorded of it, as `tonewatch stage` and `dvc repro` do.

    Raises UsageError for a data stage while `data.version` pins a version: it would replace the pinned texts.
    """
    if name in DATA_STAGES and context.params.data.version != NEWEST:
        raise UsageError(
            f"data.version pins {context.params.data.version}, and `{name}` would replace those data. "
            f"Type `tonewatch run --set data.version={NEWEST}` to collect again."
        )
    with workspace_lock(context.workspace.home):
        return run_stage(context, name)


def change_params(workspace: Workspace, assignments: Sequence[str]) -> list[str]:
    """Write `section.key=value` assignments into params.yaml, all or none; return a sentence for each.

    An interrupted move is finished first: it may still have to write its own params.
    Raises WorkspaceBusy while a run works, ConfigError when the result would not be valid.
    """
    with workspace_lock(workspace.home):
        reconcile.finish_interrupted_move(workspace)
        return set_params(workspace.params, assignments)


def up_to_date_release(context: StageContext) -> ReleaseRecord | None:
    """Return the champion if it is the result of the present code, params and sources; else None.

    Call it before a flow is started: starting one takes longer.
    """
    with workspace_lock(context.workspace.home):
        if context.params.data.version != NEWEST or reconcile.is_behind(context.workspace):
            return None
        run_stage(context, "identity")
        for stage in STAGES[1:]:
            if not context.dvc_cache.unchanged(stage.name):
                return None
            log.info("stage.unchanged", stage=stage.name)
        catch_up(context.workspace)
        return _champion_of_data(context)


def _champion_of_data(context: StageContext) -> ReleaseRecord | None:
    fingerprint = files.read_receipt(context.folder("split")).notes["fingerprint"]
    versions = data_versions.list_versions(context.workspace.root)
    names = [version.name for version in versions if version.fingerprint == fingerprint]
    try:
        return champion_of_candidate(context.workspace, names[0]) if names else None
    except TonewatchError:
        # The run meets the same error and reports it.
        return None
