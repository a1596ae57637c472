"""`tonewatch schedule`: watch, retrain and audit by the calendar, until it is stopped."""

import os
from typing import Annotated

import typer

from pipeline.cli.options import DebugOption, JsonOption, WorkspaceOption, open_workspace, print_result


def schedule(
    profile: Annotated[
        str, typer.Option("--profile", help="laptop, gpu or cluster: what the machine offers.")
    ] = "laptop",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run watch, retrain and audit when they are due, until Ctrl-C.  Example: tonewatch schedule."""
    from flows.prefect_server import prefect_server
    from pipeline.io.params_file import load_params
    from pipeline.operations import schedule as scheduling

    at = open_workspace(workspace, json=json, debug=debug)
    cfg = load_params(at.params).schedule
    with scheduling.single_schedule(at), prefect_server(at, os.environ) as server:
        # Prefect reads where its server is when it is imported.
        from flows.deploy import plan_deployments, serve

        plans = plan_deployments(at, cfg, profile)
        address = os.environ["PREFECT_API_URL"].removesuffix("/api")
        kinds = {"watch": cfg.watch, "retrain": cfg.retrain, "audit": cfg.audit}
        text = "\n".join(f"{kind:8} {cron:14} {cfg.time_zone}" for kind, cron in kinds.items())
        print_result(
            {"server": address, "time_zone": cfg.time_zone, **kinds},
            json=json,
            text=f"{text}\nRuns: {address}\nEnd it with Ctrl-C.",
        )
        serve(at, plans, server=server)
