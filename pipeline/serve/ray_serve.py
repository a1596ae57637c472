"""The same app on Ray Serve: as many replicas as the load asks for, each with its own champion, replaced one by one.

Every replica looks at the ledger itself, so a promotion reaches all of them within `serve.reload_seconds`.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from pipeline.base import logs
from pipeline.base.config import Workspace
from pipeline.io.params_file import load_params

NAME = "tonewatch"
CORES_A_REPLICA = 1.0
GRACE_SECONDS = 20
PATIENCE_SECONDS = 60
WANTED = 2  # requests at once that a replica should have; with more another one is started
GROW_SECONDS, SHRINK_SECONDS = (
    10,
    120,
)  # for which load has to last before one comes, and to be gone before one goes


def serve(workspace: Workspace, *, host: str, port: int) -> int:
    """Serve until a signal ends it; requests that came before are answered. Raises WrongUse as `guarded` does."""
    from pipeline.serve.main import require_keys_beyond_loopback

    require_keys_beyond_loopback(workspace, host)
    connect()
    ended = threading.Event()
    # Only now: Ray has put a handler of its own in their place, which ends the process before its replicas have answered.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    stop = start(workspace, host=host, port=port)
    logs.get("serve").info("listening", address=f"http://{host}:{port}", replicas="by load")
    try:
        ended.wait()
    finally:
        stop()
    return 0


def connect() -> None:
    """Join the cluster of RAY_ADDRESS, or start one of this machine's own."""
    import ray

    if not ray.is_initialized():
        # On a small busy machine a worker of Ray takes longer to start than the 5 s after which Serve gives it up.
        os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", str(PATIENCE_SECONDS))
        os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", str(PATIENCE_SECONDS))
        ray.init(
            address=os.environ.get("RAY_ADDRESS"),
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )


def start(
    workspace: Workspace, *, host: str, port: int, cores: float = CORES_A_REPLICA
) -> Callable[[], None]:
    """Start the service on the cluster this process has joined; gives what stops both.

    Where it runs already its replicas are replaced one by one.
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
    """Describe the service for Ray Serve: the app of every replica is built where the replica lives."""
    from ray import serve as rayserve

    cfg = load_params(workspace.params).serve

    def built() -> Any:
        from pipeline.serve.main import build_app

        return build_app(workspace, host=host, opened=True)

    described = rayserve.deployment(
        rayserve.ingress(built)(),
        name=NAME,
        ray_actor_options={"num_cpus": cores},
        autoscaling_config={
            "min_replicas": cfg.min_replicas,
            "max_replicas": cfg.max_replicas,
            "target_ongoing_requests": WANTED,
            "upscale_delay_s": GROW_SECONDS,
            "downscale_delay_s": SHRINK_SECONDS,
        },
        max_ongoing_requests=cfg.concurrent_requests,
        graceful_shutdown_timeout_s=GRACE_SECONDS,
    )
    return described.bind()
