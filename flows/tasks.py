"""Stages and release steps as Prefect tasks, retried only when a service is unreachable."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from prefect import Task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.task_engine import TaskRunTimeoutError

from pipeline.base.config import Workspace
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import Fault, Unreachable
from pipeline.io.versioning import data_versions
from pipeline.io.versioning.git import code_version
from pipeline.operations import retrain as operation
from pipeline.operations.data import remotes
from pipeline.operations.data import report as data_report
from pipeline.operations.retrain import RetrainResult
from pipeline.release import judge as judging
from pipeline.release import promote, reports
from pipeline.release import register as registering
from pipeline.stages.runner import ensure_params_unchanged, run_if_changed

RETRIES = 2
RETRY_DELAY_SECONDS = (2, 10)

P = ParamSpec("P")
R = TypeVar("R")


class RetrainRun:
    """Hold one retrain: the context of its stages, who asks and why, and which stages ran."""

    def __init__(self, root: str, profile: str, actor: str, reason: str) -> None:
        self.context = operation.open_context(Workspace.of(Path(root), os.environ), profile)
        self.profile = profile
        self.actor = actor
        self.reason = reason
        self.ran: list[str] = []

    @property
    def workspace(self) -> Workspace:
        """Return the places of the workspace."""
        return self.context.workspace

    @property
    def timeout_seconds(self) -> int:
        """Return the time limit of a task on this machine."""
        return self.context.profile.stage_minutes * 60


@contextlib.contextmanager
def following_moves(run: RetrainRun) -> Iterator[None]:
    """Apply, after the block, a rollback that was made while the run worked."""
    try:
        yield
    finally:
        operation.follow_moves(run.context)


def _is_retryable(_task: object, _run: object, state: State[object]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unreachable | ConnectionError)


def _task(
    name: str, function: Callable[Concatenate[RetrainRun, P], R]
) -> Callable[Concatenate[RetrainRun, P], R]:
    task = Task(
        function,
        name=name,
        # A killed process loses Prefect's cache; DVC's record outlives it.
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=RETRIES,
        retry_delay_seconds=list(RETRY_DELAY_SECONDS),
        retry_condition_fn=_is_retryable,
    )

    def call(run: RetrainRun, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return task.with_options(timeout_seconds=run.timeout_seconds)(run, *args, **kwargs)
        except TaskRunTimeoutError as error:
            raise Fault(
                f"The task {name} took longer than {run.timeout_seconds // 60} min (stage_minutes of the "
                f"profile {run.profile}). Completed stages and checkpoints are kept: type the same again, "
                "and it continues from there."
            ) from error

    return call


def _stage_task(name: str) -> Callable[[RetrainRun], None]:
    def run_stage(run: RetrainRun) -> None:
        if run_if_changed(run.context, name).ran:
            run.ran.append(name)

    return _task(name, run_stage)


def _prepare(run: RetrainRun) -> None:
    operation.prepare(run.context)


def _keep_data_version(run: RetrainRun) -> str:
    version = data_versions.keep_data_version(run.workspace.root, run.reason)
    remotes.push_version(run.workspace.root)
    data_report.write_run_report(run.workspace, version.name)
    return version.name


def _register(run: RetrainRun, data_version: str) -> str:
    ensure_params_unchanged(run.context)
    return registering.register(run.workspace, data_version)


def _judge(run: RetrainRun, data_version: str, model_version: str) -> ReleaseRecord:
    lineage = judging.CandidateLineage(data_version, model_version, code_version())
    return judging.judge(run.workspace, lineage, actor=run.actor, reason=run.reason)


def _publish_decision(run: RetrainRun, document: ReleaseRecord) -> None:
    reports.describe_in_registry(run.workspace, document)
    key = f"decision-{document['release'].lower()}"
    # Now with the release that was trained on it.
    data_report.write_run_report(run.workspace, document["data_version"])
    create_markdown_artifact(reports.decision_card(document), key=key, description="The gate's decision")


def _release(run: RetrainRun, document: ReleaseRecord) -> RetrainResult:
    moved = promote.release(run.workspace, document, actor=run.actor, reason=run.reason)
    waiting = moved is None and promote.awaits_approval(run.workspace, document)
    return RetrainResult(
        document=document, ran=run.ran, moved=moved.as_dict() if moved else None, waiting=waiting
    )


prepare = _task("prepare", _prepare)
identity = _stage_task("identity")
collect = _stage_task("collect")
clean = _stage_task("clean")
validate = _stage_task("validate")
split = _stage_task("split")
keep_data_version = _task("data version", _keep_data_version)
pretrain = _stage_task("pretrain")
finetune = _stage_task("finetune")
compress = _stage_task("compress")
evaluate = _stage_task("evaluate")
register = _task("register", _register)
judge = _task("judge", _judge)
publish_decision = _task("decision card", _publish_decision)
release = _task("release", _release)
