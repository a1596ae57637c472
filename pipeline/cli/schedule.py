"""`tonewatch schedule`: watch, retrain and audit on a schedule, until it is stopped."""

import os

from pipeline.cli.options import (
    DebugOption,
    JsonOption,
    ProfileOption,
    WorkspaceOption,
    open_workspace,
    print_result,
)


def schedule(
    profile: ProfileOption = "laptop",
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run watch, retrain and audit when they are due, until Ctrl-C.  Example: tonewatch schedule."""
    from flows.prefect_server import USER, prefect_server, secret_path
    from pipeline.cli.tables import table
    from pipeline.operations.retrain import open_context
    from pipeline.operations.schedule import single_schedule

    opened = open_workspace(workspace, json=json, debug=debug)
    cfg = open_context(opened, profile).params.schedule
    with single_schedule(opened), prefect_server(opened, os.environ) as server:
        # Prefect reads the address of its server when it is imported.
        from flows.deploy import plan_deployments, serve

        plans = plan_deployments(opened, cfg, profile)
        address = os.environ["PREFECT_API_URL"].removesuffix("/api")
        flows = {"watch": cfg.watch, "retrain": cfg.retrain, "audit": cfg.audit}
        rows = table([(name, cron, cfg.time_zone) for name, cron in flows.items()])
        document = {"server": address, "time_zone": cfg.time_zone, **flows}
        access = f"sign in as {USER}:PASSWORD; the password is in {secret_path(opened)}" if server else ""
        text = "\n".join(filter(None, [rows, f"Runs: {address}", access, "Stop it with Ctrl-C."]))
        print_result(document, json=json, text=text)
        serve(opened, plans, server=server)
