"""Serve the app on Ray Serve: replicas come and go with the load, each with the champion in its own memory.

Every replica polls the ledger itself, so a promotion reaches all of them within `serve.reload_seconds`.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.serve.build import build_app, ensure_key

NAME = "tonewatch"
CORES_PER_REPLICA = 1.0
SHUTDOWN_SECONDS = 20
PROXY_CHECK_SECONDS = 60
TARGET_ONGOING_REQUESTS = 2  # per replica; above it Ray Serve starts another one
UPSCALE_SECONDS, DOWNSCALE_SECONDS = 10, 120  # how long the load must be high or low before replicas change


def serve(workspace: Workspace, *, host: str, port: int) -> int:
    """Serve until a signal arrives, and finish the requests in progress.

    Raises UsageError as `ensure_key` does.
    """
    key = ensure_key(workspace, host)
    connect(workspace)
    stopped = threading.Event()
    # After `connect`: Ray installs handlers that end the process before its replicas have responded.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stop = start(workspace, host=host, port=port)
    logs.get("serve").info("listening", address=f"http://{host}:{port}", key=key, replicas="by load")
    try:
        stopped.wait()
    finally:
        stop()
    return 0


def connect(workspace: Workspace) -> None:
    """Join the Ray cluster at RAY_ADDRESS, or start one on this machine that asks for a token."""
    import ray

    if not ray.is_initialized():
        # On a small busy machine a Ray worker takes longer to start than Serve's default limit of 5 s.
        os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", str(PROXY_CHECK_SECONDS))
        os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", str(PROXY_CHECK_SECONDS))
        # Ray's HTTP proxy runs uvicorn, which believes forwarded headers of every client on this machine.
        os.environ["FORWARDED_ALLOW_IPS"] = ""
        RayCluster(workspace.ray, workspace.ray_token).join()


def start(
    workspace: Workspace, *, host: str, port: int, cores: float = CORES_PER_REPLICA
) -> Callable[[], None]:
    """Start the service on the Ray cluster of this process; return a function that shuts both down.

    Where the service runs already, its replicas are replaced one by one.
    """
    import ray
    from ray import serve as rayserve
    from ray.serve.config import HTTPOptions

    rayserve.start(http_options=HTTPOptions(host=host, port=port, location="HeadOnly"))
    rayserve.run(deployment(workspace, host=host, cores=cores), name=NAME, route_prefix="/")

    def stop() -> None:
        rayserve.shutdown()
        ray.shutdown()

    return stop


def deployment(workspace: Workspace, *, host: str, cores: float) -> Any:
    """Return the bound Ray Serve application, `cores` for each replica; a replica builds its own app."""
    from ray import serve as rayserve

    cfg = load_params(workspace.params).serve
    replica = rayserve.deployment(
        rayserve.ingress(lambda: build_app(workspace, host=host, load_champion=True))(),
        name=NAME,
        ray_actor_options={"num_cpus": cores},
        autoscaling_config={
            "min_replicas": cfg.min_replicas,
            "max_replicas": cfg.max_replicas,
            "target_ongoing_requests": TARGET_ONGOING_REQUESTS,
            "upscale_delay_s": UPSCALE_SECONDS,
            "downscale_delay_s": DOWNSCALE_SECONDS,
        },
        max_ongoing_requests=cfg.concurrent_requests,
        graceful_shutdown_timeout_s=SHUTDOWN_SECONDS,
    )
    return replica.bind()
