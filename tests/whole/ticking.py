"""A tiny scheduled flow, served as the real ones are: it writes down when it begins and ends, and who it is.

python -m ticking WORKSPACE EVERY_SECONDS WORK_SECONDS
"""

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

    from flows import runs

    @flow(name="tick", persist_result=False)
    def tick(root: str, work: float) -> State:
        def act(places):
            write(root, "begins", flow_run.id)
            time.sleep(work)
            write(root, "ends", flow_run.id)
            return "ticked"

        return runs.due("tick", root, act)

    return tick


def main(root, every, work):
    from pipeline import logs
    from pipeline.config import Places
    from pipeline.config.quiet import settle
    from pipeline.stages import scheduling

    logs.configure(json=True, debug=False)
    places = Places.of(Path(root), os.environ)
    settle(places, os.environ)
    (places.home / "prefect").mkdir(parents=True, exist_ok=True)
    from flows.server import at_hand

    with scheduling.only(places), at_hand(places, os.environ) as server:
        import ticking
        from prefect.schedules import Interval

        from flows.deploy import Pace, Plan, serve

        plan = Plan(ticking.tick, Interval(timedelta(seconds=float(every))), {"root": root, "work": float(work)})
        serve(places, [plan], server=server, pace=Pace(poll=1, ahead=1, look=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
else:
    tick = flow()
