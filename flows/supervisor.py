"""What keeps the schedule's runs honest: the dead are called dead, of the missed only the newest is made, no slot stays taken."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Crashed

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.operations import schedule

log = logs.get("schedule")
OPEN = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
# A run that no process has taken up yet: its own may still be starting. Counted on our own watch, not by clocks.
STARTING_SECONDS = {StateType.PENDING: 180.0, StateType.RUNNING: 30.0, StateType.CANCELLING: 60.0}
LOOKS_BEFORE_FREEING = 3
MOST = 200  # runs read in one look; the next look reads on


class RunSupervisor:
    """Look at the runs of some deployments, again and again, and before any is started; remembers only since when it has seen what."""

    def __init__(self, workspace: Workspace, deployments: Iterable[UUID]) -> None:
        self._workspace = workspace
        self._deployments = list(deployments)
        self._seen: dict[UUID, float] = {}
        self._idle: dict[UUID, int] = {}
        self._looked = False

    async def look(self, client: PrefectClient) -> list[UUID]:
        """Look once; gives the runs that were found dead."""
        opened = await self._read(client, OPEN)
        dead = [run for run in opened if self._is_dead(run)]
        for run in dead:
            await self._crash(client, run)
        gone = [str(run.id) for run in dead]
        schedule.forget_ended_runs(
            self._workspace, but=[str(run.id) for run in opened if str(run.id) not in gone]
        )
        self._seen = {run.id: self._seen[run.id] for run in opened if run.id in self._seen}
        await self._skip_missed(client)
        await self._free_slots(client, opened)
        self._looked = True
        return [run.id for run in dead]

    async def _read(self, client: PrefectClient, types: Sequence[StateType], **more: Any) -> list[FlowRun]:
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))
        chosen = FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=self._deployments), state=state, **more
        )
        # Some servers refuse the empty order and number that the client would send.
        return await client.read_flow_runs(
            flow_run_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=MOST
        )

    def _is_dead(self, run: FlowRun) -> bool:
        lives = schedule.run_is_alive(self._workspace, str(run.id))
        if lives is not None:
            return not lives
        if not self._looked and run.state is not None and run.state.type == StateType.PENDING:
            # Whoever would have started its process is gone: there is one schedule of a workspace, and it looks before it starts any.
            return True
        since = self._seen.setdefault(run.id, time.monotonic())
        return run.state is not None and time.monotonic() - since > STARTING_SECONDS[run.state.type]

    async def _crash(self, client: PrefectClient, run: FlowRun) -> None:
        # Its end may have been told between the two looks; its process is gone, so what is open now stays open.
        now = await client.read_flow_run(run.id)
        if now.state is not None and now.state.type in OPEN:
            why = "Its process is gone and told no end. What it had finished is kept; the next run goes on from there."
            await client.set_flow_run_state(run.id, Crashed(message=why))
            log.warning("run was dead", run=str(run.id))

    async def _skip_missed(self, client: PrefectClient) -> None:
        past = FlowRunFilterNextScheduledStartTime(before_=datetime.now(UTC))
        late: dict[UUID | None, list[FlowRun]] = {}
        for run in await self._read(client, (StateType.SCHEDULED,), next_scheduled_start_time=past):
            late.setdefault(run.deployment_id, []).append(run)
        for runs in late.values():
            *missed, newest = sorted(runs, key=lambda run: (str(run.next_scheduled_start_time), str(run.id)))
            why = f"It was missed, and the one due at {newest.next_scheduled_start_time} does its work."
            for run in missed:
                await client.set_flow_run_state(run.id, Cancelled(name="Skipped", message=why))
            if missed:
                log.info("missed runs skipped", runs=len(missed))

    async def _free_slots(self, client: PrefectClient, opened: Sequence[FlowRun]) -> None:
        """Free the slot of a deployment none of whose runs is open: a server killed at the wrong moment leaves it taken for ever."""
        busy = {run.deployment_id for run in opened}
        for deployment in self._deployments:
            self._idle[deployment] = 0 if deployment in busy else self._idle.get(deployment, 0) + 1
            if self._idle[deployment] == LOOKS_BEFORE_FREEING:
                name = f"deployment:{deployment}"
                try:
                    taken = (await client.read_global_concurrency_limit_by_name(name)).active_slots
                except ObjectNotFound:
                    continue
                if taken:
                    await client.update_global_concurrency_limit(
                        name, GlobalConcurrencyLimitUpdate(active_slots=0)
                    )
                    log.warning("slot freed", deployment=str(deployment))
