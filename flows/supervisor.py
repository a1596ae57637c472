"""Supervision of scheduled runs: dead runs are marked as crashed, missed runs are skipped."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.operations import schedule

log = logs.get("schedule")
OPEN = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
# Grace for a run that no process has claimed yet, measured by our own monotonic clock.
STARTING_SECONDS = {StateType.PENDING: 180.0, StateType.RUNNING: 30.0, StateType.CANCELLING: 60.0}
MAX_RUNS = 200  # in one inspection; the next one reads on
DIED = "The worker process died. Completed stages are kept; the next run resumes from them."


class RunSupervisor:
    """Inspect the runs of some deployments, first before any is started and then again and again."""

    def __init__(self, workspace: Workspace, deployments: Iterable[UUID]) -> None:
        self._workspace = workspace
        self._deployments = list(deployments)
        self._first_seen: dict[UUID, float] = {}
        self._has_inspected = False

    async def inspect(self, client: PrefectClient) -> list[UUID]:
        """Mark dead runs as crashed and skip missed ones; return the dead runs' ids."""
        open_runs = await self._read_runs(client, OPEN)
        dead = [run for run in open_runs if self._is_dead(run)]
        for run in dead:
            await self._crash(client, run)
        schedule.forget_ended_runs(
            self._workspace, keep=[str(run.id) for run in open_runs if run not in dead]
        )
        self._first_seen = {
            run.id: self._first_seen[run.id] for run in open_runs if run.id in self._first_seen
        }
        await self._skip_missed(client)
        self._has_inspected = True
        return [run.id for run in dead]

    async def _read_runs(
        self,
        client: PrefectClient,
        types: Sequence[StateType],
        due: FlowRunFilterNextScheduledStartTime | None = None,
    ) -> list[FlowRun]:
        run_filter = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=self._deployments),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))),
            next_scheduled_start_time=due,
        )
        # Some servers refuse the empty order and limit that the client would send.
        return await client.read_flow_runs(
            flow_run_filter=run_filter, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=MAX_RUNS
        )

    def _is_dead(self, run: FlowRun) -> bool:
        alive = schedule.run_is_alive(self._workspace, str(run.id))
        if alive is not None:
            return not alive
        if not self._has_inspected and run.state is not None and run.state.type == StateType.PENDING:
            # This schedule, the only one, has started no run yet: an earlier one left it.
            return True
        since = self._first_seen.setdefault(run.id, time.monotonic())
        return run.state is not None and time.monotonic() - since > STARTING_SECONDS[run.state.type]

    async def _crash(self, client: PrefectClient, run: FlowRun) -> None:
        # It may have reported its end since it was read; its process is gone, so an open state stays open.
        current = await client.read_flow_run(run.id)
        if current.state is not None and current.state.type in OPEN:
            await client.set_flow_run_state(run.id, Crashed(message=DIED))
            log.warning("run.died", run=str(run.id))

    async def _skip_missed(self, client: PrefectClient) -> None:
        past = FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
        late: dict[UUID | None, list[FlowRun]] = {}
        for run in await self._read_runs(client, (StateType.SCHEDULED,), past):
            late.setdefault(run.deployment_id, []).append(run)
        for runs in late.values():
            *missed, newest = sorted(runs, key=lambda run: (str(run.next_scheduled_start_time), str(run.id)))
            message = f"Missed; the run due at {newest.next_scheduled_start_time} covers it."
            for run in missed:
                await client.set_flow_run_state(run.id, Cancelled(name="Skipped", message=message))
            if missed:
                log.info("runs.skipped", runs=len(missed))
