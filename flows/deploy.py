"""The schedule: which flows run when, served by Prefect's runner and supervised while it serves."""

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
CHECKOUT = Path(__file__).parents[1]
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class PlannedFlow:
    """Hold a flow, its schedule and its parameters."""

    flow: Flow[..., Any]
    schedule: Schedule
    parameters: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True)
class PollSettings:
    """Set how often due runs are polled, how early processes start, how often runs are inspected."""

    poll_seconds: float = 5.0
    prefetch_seconds: float = 5.0
    inspect_seconds: float = 5.0


def plan_deployments(workspace: Workspace, cfg: ScheduleConfig, profile: str) -> list[PlannedFlow]:
    """Plan watch, retrain and audit of a workspace, each by its cron in the schedule's time zone.

    Raises ConfigError for an invalid cron or time zone.
    """
    from flows.audit import audit
    from flows.scheduled_retrain import scheduled_retrain
    from flows.watch import watch

    root = str(workspace.root)
    retrain = {"root": root, "profile": profile, "actor": "schedule", "reason": "scheduled"}
    return [
        PlannedFlow(
            watch, cron_schedule("watch", cfg.watch, cfg.time_zone), {"root": root, "actor": "schedule"}
        ),
        PlannedFlow(scheduled_retrain, cron_schedule("retrain", cfg.retrain, cfg.time_zone), retrain),
        PlannedFlow(audit, cron_schedule("audit", cfg.audit, cfg.time_zone), {"root": root}),
    ]


def cron_schedule(kind: str, cron: str, time_zone: str) -> Schedule:
    """Return a Prefect schedule; `kind` (watch, retrain or audit) names the key of params.yaml in an error.

    Raises ConfigError for an invalid cron or time zone.
    """
    try:
        CronSchedule(cron=cron, timezone=time_zone)
    except ValueError:
        raise ConfigError(
            f"schedule.{kind} ({cron!r}) or schedule.time_zone ({time_zone!r}) in params.yaml is invalid. "
            "Write them as `5 * * * *` and `Europe/Berlin`."
        ) from None
    return Cron(cron, timezone=time_zone)


def serve(
    workspace: Workspace,
    flows: Sequence[PlannedFlow],
    *,
    server: PrefectServer | None,
    polling: PollSettings = PollSettings(),
) -> None:
    """Run what is due until SIGTERM or Ctrl-C; runs in progress are then cancelled and keep completed stages.

    `server` is the server to keep running, None where another one is in use.
    """
    # A `pipeline` folder of the workspace must not shadow ours in the process of a run.
    os.environ["PYTHONSAFEPATH"] = "1"
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(CHECKOUT), *filter(None, path)]))
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    service = _ScheduleService(workspace, flows, server, polling, stop)
    # In the main thread the runner would install signal handlers of its own and stop at once.
    serving = threading.Thread(target=lambda: asyncio.run(service.serve_until_stopped()), name="schedule")
    serving.start()
    try:
        while serving.is_alive():
            serving.join(0.5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _remove_other_deployments(name: str) -> None:
    """Remove deployments of the workspace's own server under an earlier name: nobody runs them any more.

    The name changes with the folder of the workspace; runs of the old name would be late for ever.
    """
    async with get_client() as client:
        for deployment in await client.read_deployments():
            if deployment.name != name:
                await client.delete_deployment(deployment.id)
                log.info("deployment.removed", deployment=deployment.name)


@dataclass(frozen=True)
class _ScheduleService:
    workspace: Workspace
    flows: Sequence[PlannedFlow]
    server: PrefectServer | None
    polling: PollSettings
    stop: threading.Event

    async def serve_until_stopped(self) -> None:
        while not self.stop.is_set():
            try:
                await self._serve()
            except Exception as error:  # the server was down for too long; the schedule starts over
                log.warning("runner.failed", error=type(error).__name__)
                await asyncio.sleep(self.polling.inspect_seconds)

    async def _serve(self) -> None:
        runner = Runner(
            name="tonewatch",
            query_seconds=self.polling.poll_seconds,
            prefetch_seconds=self.polling.prefetch_seconds,
            limit=len(self.flows) + 1,
            pause_on_shutdown=False,
        )
        await self._ensure_server()
        if self.server is not None:
            await _remove_other_deployments(deployment_name(self.workspace))
        ids = [await runner.aadd_deployment(self._deployment(planned)) for planned in self.flows]
        supervisor = RunSupervisor(self.workspace, ids)
        # Before any run starts: what was missed, and what died, while no schedule ran.
        async with get_client() as client:
            await supervisor.inspect(client)
        running = asyncio.create_task(runner.start())
        supervising = asyncio.create_task(self._supervise(supervisor))
        await asyncio.wait({running, supervising}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            supervising.cancel()
        else:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(runner.astop(), STOP_SECONDS)
            await asyncio.wait({running}, timeout=STOP_SECONDS)
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    async def _supervise(self, supervisor: RunSupervisor) -> None:
        while not await asyncio.to_thread(self.stop.wait, self.polling.inspect_seconds):
            try:
                await self._ensure_server()
                async with get_client() as client:
                    await supervisor.inspect(client)
            except Exception as error:  # the next inspection may reach the server again
                log.warning("inspection.failed", error=type(error).__name__)

    async def _ensure_server(self) -> None:
        if self.server is not None:
            await asyncio.to_thread(self.server.ensure_running)

    def _deployment(self, planned: PlannedFlow) -> RunnerDeployment:
        # No concurrency limit of Prefect's: it ends a training when the server is away for a few seconds
        # while the run renews its lease. The lock of the kind lets one run at a time execute.
        return RunnerDeployment.from_flow(
            planned.flow,
            name=deployment_name(self.workspace),
            schedule=planned.schedule,
            parameters=dict(planned.parameters),
            concurrency_limit=None,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
