"""Each stage and act of the line as a Prefect task: tried again where the world failed, never where the answer was no."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from pipeline.base.config import Places, load_profile
from pipeline.base.errors import Unreachable
from pipeline.io.versioning import data_versions
from pipeline.stages import Setting, releases, reports
from pipeline.stages.performing import perform, stand, unedited

TRIES = 2
DELAY_SECONDS = (2, 10)


class Line:
    """Hold one run of the line: the setting of its stages, who asks and why, and which stages ran."""

    def __init__(self, root: str, profile: str, actor: str, reason: str) -> None:
        self.setting = Setting(Places.of(Path(root), os.environ), load_profile(profile))
        self.actor = actor
        self.reason = reason
        self.ran: list[str] = []

    @property
    def places(self) -> Places:
        """Give the places of the workspace."""
        return self.setting.places

    @property
    def seconds(self) -> int:
        """Give the time a stage may take on this machine."""
        return self.setting.profile.stage_minutes * 60


def _worth_another_try(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unreachable | ConnectionError)


def _as_task(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    made: Task[..., Any] = Task(
        act,
        name=name,
        # Prefect's cache would forget after a kill; DVC remembers.
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=TRIES,
        retry_delay_seconds=list(DELAY_SECONDS),
        retry_condition_fn=_worth_another_try,
    )

    def call(line: Line, *rest: Any) -> Any:
        return made.with_options(timeout_seconds=line.seconds)(line, *rest)

    return call


def _stage(name: str) -> Callable[..., Any]:
    def act(line: Line) -> bool:
        done = perform(line.setting, name)
        if done.ran:
            line.ran.append(name)
        return done.ran

    return _as_task(name, act)


identity = _stage("identity")
collect = _stage("collect")
clean = _stage("clean")
validate = _stage("validate")
split = _stage("split")
pretrain = _stage("pretrain")
finetune = _stage("finetune")
compress = _stage("compress")
evaluate = _stage("evaluate")


def _settle(line: Line) -> None:
    releases.heal(line.places)
    stand(line.setting)


def _keep_data(line: Line) -> str:
    return str(data_versions.keep_data(line.places.root, line.reason).name)


def _register(line: Line, data_version: str) -> str:
    unedited(line.setting)
    return releases.register(line.places, data_version)


def _judge(line: Line, data_version: str, model_version: str) -> dict[str, Any]:
    made = releases.Made(data_version, model_version, data_versions.code_commit())
    return releases.judge(line.places, made, actor=line.actor, reason=line.reason)


def _tell(line: Line, document: dict[str, Any]) -> None:
    reports.link(line.places, document)
    key = f"decision-{str(document['release']).lower()}"
    create_markdown_artifact(reports.decision_card(document), key=key, description="The gate's decision")


def _release(line: Line, document: dict[str, Any]) -> dict[str, Any]:
    moved = releases.release(line.places, document, actor=line.actor, reason=line.reason)
    waits = moved is None and releases.waits(line.places, document)
    return {"document": document, "ran": line.ran, "moved": moved.as_dict() if moved else None, "waiting": waits}


settle = _as_task("settle", _settle)
keep_data = _as_task("data version", _keep_data)
register = _as_task("register", _register)
judge = _as_task("judge", _judge)
tell = _as_task("decision card", _tell)
release = _as_task("release", _release)
