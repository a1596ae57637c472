"""A tiny scheduled flow, served as the real ones are: it logs when it begins and ends, and its process.

python -m ticking WORKSPACE EVERY_SECONDS WORK_SECONDS
"""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path


def write(root, word, run):
    # One write of one line: appends of several processes do not mix.
    with (Path(root) / "ticks.log").open("a", buffering=1) as file:
        file.write(f"{time.monotonic():.3f} {word} {os.getpid()} {run}\n")


def flow():
    from prefect import flow
    from prefect.client.schemas.objects import State
    from prefect.runtime import flow_run

    from flows import run_policy

    @flow(name="tick", persist_result=False)
    def tick(root: str, work: float) -> State:
        def act(places):
            write(root, "begins", flow_run.id)
            time.sleep(work)
            write(root, "ends", flow_run.id)
            return "ticked"

        return run_policy.run_if_due("tick", root, act)

    return tick


def states(root):
    """Print the final states of runs of every kind of end, and the answers to retrain requests."""
    from prefect import flow
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Cron

    from flows import request_retrain, run_policy
    from pipeline.base.config import Workspace
    from pipeline.base.errors import CandidateRejected, SourceUnreachable, WorkspaceBusy

    ends = [
        None,
        CandidateRejected("R2 was refused."),
        WorkspaceBusy("Process 7 is working here."),
        SourceUnreachable("No texts.csv."),
        KeyError("canary"),
    ]
    ended = []
    for number in range(len(ends)):

        @flow(name="end", persist_result=False)
        def end(number: int):
            def act(places):
                if ends[number]:
                    raise ends[number]
                return "done"

            return run_policy.run_if_due(f"kind{number}", root, act)

        state = end(number, return_state=True)
        ended.append([state.type.value, state.name, state.message])

    @flow(name=request_retrain.SCHEDULED_RETRAIN)
    def retrain(reason: str):
        pass

    places = Workspace.of(Path(root), os.environ)
    manual = request_retrain.request_retrain(places, "Drift in all", day="2026-11-25")
    deployment = RunnerDeployment.from_flow(
        retrain,
        name=request_retrain.deployment_name(places),
        schedule=Cron("0 3 * * 1"),
        parameters={"reason": "x"},
    )
    deployment.apply()
    reasons = ("Drift in all", "Drift in all", "612 new labels", "655 new labels")
    requested = [request_retrain.request_retrain(places, reason, day="2026-11-25") for reason in reasons]
    printed = {"states": ended, "manual": manual, "requested": requested}
    print(json.dumps({**printed, "retried": list(retried(request_retrain, places))}))


def retried(request_retrain, places):
    """Fail the run of a request, request it again at once and after the pause; yield both answers."""
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    request_retrain.request_retrain(places, "Drift in all", day="2026-11-26")
    with get_client(sync_client=True) as client:
        newest = max(client.read_flow_runs(), key=lambda run: run.created)
        client.set_flow_run_state(newest.id, Failed(message="no network"), force=True)
    yield request_retrain.request_retrain(places, "Drift in all", day="2026-11-26")
    request_retrain.FIRST_RETRY = timedelta(0)
    yield request_retrain.request_retrain(places, "Drift in all", day="2026-11-26").replace(
        newest.name, "same"
    )


def main(root, every, work=None):
    from pipeline.base import logs
    from pipeline.base.config import Workspace
    from pipeline.base.config.environment import configure_environment
    from pipeline.operations import schedule

    logs.configure(json=True, debug=False)
    places = Workspace.of(Path(root), os.environ)
    configure_environment(places, os.environ)
    (places.home / "prefect").mkdir(parents=True, exist_ok=True)
    if every == "states":
        states(root)
        return
    from flows.prefect_server import prefect_server

    with schedule.single_schedule(places), prefect_server(places, os.environ) as server:
        import ticking
        from prefect.schedules import Interval

        from flows.deploy import PlannedFlow, PollSettings, serve

        planned = PlannedFlow(
            ticking.tick, Interval(timedelta(seconds=float(every))), {"root": root, "work": float(work)}
        )
        polling = PollSettings(poll_seconds=1, prefetch_seconds=1, inspect_seconds=2)
        serve(places, [planned], server=server, polling=polling)


if __name__ == "__main__":
    main(*sys.argv[1:])
else:
    tick = flow()
