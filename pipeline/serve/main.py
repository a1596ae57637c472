"""`python -m pipeline.serve.main`: the service of one workspace, its edges wired. `tonewatch serve` becomes this process."""

import argparse
import functools
import os
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from pipeline.base import logs
from pipeline.base.config import ServeConfig, Workspace, find_workspace
from pipeline.base.config.environment import configure_environment
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.inference.champion import ChampionSource
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.io.security.api_keys import KeyStore
from pipeline.operations.dashboard_actions import sessions_of
from pipeline.operations.dashboard_data import DashboardData
from pipeline.serve.api.app import Service, create_app
from pipeline.serve.dashboard.context import DashboardContext
from pipeline.serve.dashboard.routes import dashboard_router
from pipeline.serve.http.access import AccessGuard, is_loopback
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.metrics import ServiceMetrics

if TYPE_CHECKING:
    from uvicorn import Server

GRACE_SECONDS = 10
THREADS = 2  # a batch is shared between so many cores


def build_app(
    workspace: Workspace,
    *,
    host: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    opened: bool = False,
) -> FastAPI:
    """Make the app of a workspace, as it is reached at `host`; `opened` with the champion, where requests do not wait for /readyz.

    Raises WrongUse when anybody could reach it and there is no key.
    """
    loopback, keys = require_keys_beyond_loopback(workspace, host), KeyStore(workspace.keys)
    params, meters = load_params(workspace.params), ServiceMetrics()
    cfg = params.serve
    champion = ChampionHolder(
        ChampionSource(workspace, threads=min(THREADS, os.cpu_count() or 1)), meters, now
    )
    if opened:
        champion.look()
    service = Service(
        cfg=cfg,
        champion=champion,
        guard=AccessGuard(keys, cfg, loopback=loopback, now=now),
        journal=Journal(workspace.journal, retention_days=cfg.journal.retention_days),
        meters=meters,
        now=now,
        request_id=request_id,
        min_words=params.validation.language_min_words,
    )
    return create_app(service, [dashboard_router(_dashboard_context(workspace, champion, loopback=loopback))])


def require_keys_beyond_loopback(workspace: Workspace, host: str) -> bool:
    """Say whether only this machine can ask at a host; raises WrongUse when anybody can and there is no key."""
    loopback = is_loopback(host)
    if not loopback and not KeyStore(workspace.keys).usable(now=datetime.now(UTC)):
        raise UsageError(
            f"At {host} anybody who reaches this machine could ask, and there is no key that opens anything. Type `tonewatch keys new "
            "--name NAME --scope predict`, or serve at 127.0.0.1."
        )
    return loopback


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Serve until a signal ends it; requests that came before are answered."""
    parser = argparse.ArgumentParser(prog="tonewatch serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--debug", action="store_true")
    asked = parser.parse_args(arguments)
    logs.configure(json=asked.json, debug=asked.debug)
    try:
        workspace = Workspace.of(find_workspace((asked.workspace or Path.cwd()).resolve()), environment)
        configure_environment(workspace, os.environ)
        if asked.ray:
            from pipeline.serve.ray_serve import serve

            return serve(workspace, host=asked.host, port=asked.port)
        return _serve(workspace, host=asked.host, port=asked.port)
    except TonewatchError as error:
        print(f"tonewatch: {error}", file=sys.stderr)
        return error.exit_code


def make_server(app: FastAPI, cfg: ServeConfig, *, host: str, port: int) -> "Server":
    """Make the server through which an app listens; a signal lets it end what it has begun."""
    from uvicorn import Config, Server

    from pipeline.serve.http.timeout_protocol import TimeoutProtocol

    told: dict[str, Any] = {"log_level": "warning", "access_log": False, "server_header": False, "ws": "none"}
    speaks: Any = functools.partial(TimeoutProtocol, seconds=cfg.request_seconds)
    return Server(
        Config(app, host=host, port=port, http=speaks, timeout_graceful_shutdown=GRACE_SECONDS, **told)
    )


def bind_socket(host: str, port: int) -> socket.socket:
    """Take an address to listen at; raises WrongUse where it is taken, not allowed or not known."""
    line = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
    except OSError as error:
        line.close()
        raise UsageError(
            f"{host} port {port} cannot be listened at ({error.strerror}). Choose another with `--port` or `--host`."
        ) from error
    return line


def _serve(workspace: Workspace, *, host: str, port: int) -> int:
    server = make_server(
        build_app(workspace, host=host), load_params(workspace.params).serve, host=host, port=port
    )
    with bind_socket(host, port) as line:
        logs.get("serve").info("listening", address=f"http://{host}:{port}")
        server.run([line])
    return 0


def _dashboard_context(workspace: Workspace, champion: ChampionHolder, *, loopback: bool) -> DashboardContext:
    prefect = os.environ.get("PREFECT_API_URL")
    return DashboardContext(
        workspace,
        DashboardData(workspace, prefect=prefect),
        sessions_of(workspace),
        champion.serving,
        load_params(workspace.params).serve,
        loopback,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
