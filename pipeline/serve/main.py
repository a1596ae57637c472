"""`python -m pipeline.serve.main`: serve one workspace over HTTP. `tonewatch serve` becomes this process."""

import argparse
import functools
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from pipeline.base import logs
from pipeline.base.config import ServeConfig, Workspace, find_workspace
from pipeline.base.config.environment import configure_environment
from pipeline.base.errors import TonewatchError, UsageError
from pipeline.base.private_files import keep_private
from pipeline.io.params_file import load_params
from pipeline.serve.build import build_app, ensure_key

if TYPE_CHECKING:
    from uvicorn import Server

SHUTDOWN_SECONDS = 10


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Serve until a signal arrives, finish the requests in progress, and return the exit code."""
    parser = argparse.ArgumentParser(prog="tonewatch serve")
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args(arguments)
    logs.configure(json=options.json, debug=options.debug)
    try:
        root = find_workspace((options.workspace or Path.cwd()).resolve())
        workspace = Workspace.of(root, environment)
        configure_environment(workspace, os.environ)
        keep_private(workspace)
        if options.ray:
            from pipeline.serve import ray_serve

            return ray_serve.serve(workspace, host=options.host, port=options.port)
        return _serve(workspace, host=options.host, port=options.port)
    except TonewatchError as error:
        print(f"tonewatch: {error}", file=sys.stderr)
        return error.exit_code


def make_server(app: FastAPI, cfg: ServeConfig, *, host: str, port: int) -> "Server":
    """Create the uvicorn server of an app; on a signal it finishes the requests in progress."""
    from uvicorn import Config, Server

    from pipeline.serve.http.timeout_protocol import TimeoutProtocol

    protocol: Any = functools.partial(TimeoutProtocol, seconds=cfg.request_seconds)
    config = Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        # Uvicorn believes forwarded headers of every client on this machine; the app those of known proxies.
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return Server(config)


def bind_socket(host: str, port: int) -> socket.socket:
    """Bind a listening socket; raises UsageError when the address is in use, forbidden or unknown."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"Cannot listen at {host} port {port} ({error.strerror}). "
            "Choose another with `--port` or `--host`."
        ) from error
    return listener


def _serve(workspace: Workspace, *, host: str, port: int) -> int:
    key = ensure_key(workspace, host)
    app = build_app(workspace, host=host)
    server = make_server(app, load_params(workspace.params).serve, host=host, port=port)
    with bind_socket(host, port) as listener:
        logs.get("serve").info("listening", address=f"http://{host}:{port}", key=key)
        server.run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
