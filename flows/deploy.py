"""The schedule: which flows run when, served by Prefect's runner, and looked after while it serves."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Cron, Schedule
from prefect.types.entrypoint import EntrypointType

from flows.prefect_server import PrefectServer
from flows.request_retrain import deployment_name
from flows.supervisor import RunSupervisor
from pipeline.base import logs
from pipeline.base.config import ScheduleConfig, Workspace
from pipeline.base.errors import ConfigError

log = logs.get("schedule")
CODE = Path(__file__).parents[1]
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """Say when a flow runs, and with what."""

    flow: Flow[..., Any]
    schedule: Schedule
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PollSettings:
    """Say how often is asked what is due, how long before its time a run's process starts, and how often runs are looked at; seconds."""

    poll: float = 5.0
    ahead: float = 5.0
    look: float = 5.0


def plan_deployments(workspace: Workspace, cfg: ScheduleConfig, profile: str) -> list[Plan]:
    """Give the plans of a workspace: watch, retrain and audit, each by its cron in the schedule's time zone.

    Raises ConfigError for a cron or a time zone that is none.
    """
    from flows.audit import audit
    from flows.scheduled_retrain import scheduled_retrain
    from flows.watch import watch

    root = str(workspace.root)
    line = {"root": root, "profile": profile, "actor": "schedule", "reason": "by the calendar"}
    return [
        Plan(watch, _calendar("watch", cfg.watch, cfg.time_zone), {"root": root, "actor": "schedule"}),
        Plan(scheduled_retrain, _calendar("retrain", cfg.retrain, cfg.time_zone), line),
        Plan(audit, _calendar("audit", cfg.audit, cfg.time_zone), {"root": root}),
    ]


def _calendar(kind: str, cron: str, zone: str) -> Schedule:
    try:
        CronSchedule(cron=cron, timezone=zone)
    except ValueError:
        said = f"schedule.{kind} ({cron!r}) or schedule.time_zone ({zone!r}) in params.yaml is not known."
        raise ConfigError(f"{said} Write them as `5 * * * *` and `Europe/Berlin`.") from None
    return Cron(cron, timezone=zone)


def serve(
    workspace: Workspace,
    plans: Sequence[Plan],
    *,
    server: PrefectServer | None,
    pace: PollSettings = PollSettings(),
) -> None:
    """Run what is due until SIGTERM or Ctrl-C; runs that are going on then are cancelled, and keep what they finished."""
    # A `pipeline` folder of the workspace must not stand in for ours in the process of a run.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(
        dict.fromkeys([str(CODE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    )
    stop = threading.Event()
    # The runner sets its own signals where it may, and would leave in the middle; in another thread it may not.
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    serving = threading.Thread(
        target=lambda: asyncio.run(_kept_up(workspace, plans, server, pace, stop)), name="schedule"
    )
    serving.start()
    try:
        while serving.is_alive():
            serving.join(0.5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _kept_up(
    workspace: Workspace,
    plans: Sequence[Plan],
    server: PrefectServer | None,
    pace: PollSettings,
    stop: threading.Event,
) -> None:
    while not stop.is_set():
        try:
            await _served(workspace, plans, server, pace, stop)
        except Exception as error:  # the server was away for too long; the schedule outlives that
            log.warning("runner ended", why=type(error).__name__)
            await asyncio.sleep(pace.look)


async def _served(
    workspace: Workspace,
    plans: Sequence[Plan],
    server: PrefectServer | None,
    pace: PollSettings,
    stop: threading.Event,
) -> None:
    runner = Runner(
        name="tonewatch",
        query_seconds=pace.poll,
        prefetch_seconds=pace.ahead,
        limit=len(plans) + 1,
        pause_on_shutdown=False,
    )
    if server is not None:
        await asyncio.to_thread(server.ensure)
    ids = [
        await runner.aadd_deployment(_deployment(workspace, plan, limited=server is not None))
        for plan in plans
    ]
    keeper = RunSupervisor(workspace, ids)
    # Before anything is run: what was missed, and what died, while nobody looked.
    async with get_client() as client:
        await keeper.look(client)
    running = asyncio.create_task(runner.start())
    keeping = asyncio.create_task(_kept(keeper, server, pace, stop))
    await asyncio.wait({running, keeping}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        keeping.cancel()
    else:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(runner.astop(), STOP_SECONDS)
        await asyncio.wait({running}, timeout=STOP_SECONDS)
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _deployment(workspace: Workspace, plan: Plan, *, limited: bool) -> RunnerDeployment:
    # Of a server that is not ours we do not know whether it remembers who holds a slot; there our own locks alone keep order.
    limit = (
        ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
        if limited
        else None
    )
    return RunnerDeployment.from_flow(
        plan.flow,
        name=deployment_name(workspace),
        schedule=plan.schedule,
        parameters=dict(plan.parameters),
        concurrency_limit=limit,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


async def _kept(
    keeper: RunSupervisor, server: PrefectServer | None, pace: PollSettings, stop: threading.Event
) -> None:
    while not await asyncio.to_thread(stop.wait, pace.look):
        try:
            if server is not None:
                await asyncio.to_thread(server.ensure)
            async with get_client() as client:
                await keeper.look(client)
        except Exception as error:  # the next look may find it there again
            log.warning("look failed", why=type(error).__name__)
