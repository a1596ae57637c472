"""Build the web app of one workspace from its settings, champion, keys, journal and dashboard data."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI

from pipeline.base.config import ServeConfig, Workspace
from pipeline.base.errors import UsageError
from pipeline.inference.champion import ChampionSource
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.io.security.api_keys import KeyStore
from pipeline.operations import journal_upkeep
from pipeline.operations.dashboard_actions import open_sessions
from pipeline.operations.dashboard_data import DashboardData
from pipeline.serve.api.app import create_app
from pipeline.serve.api.handlers import Service
from pipeline.serve.dashboard.context import DashboardContext
from pipeline.serve.dashboard.routes import dashboard_router
from pipeline.serve.http.access import AccessGuard, is_loopback
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.journal_health import JournalHealth
from pipeline.serve.runtime.metrics import ServiceMetrics

MAX_THREADS = 2  # cores that share a batch


def build_app(
    workspace: Workspace,
    *,
    host: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    load_champion: bool = False,
) -> FastAPI:
    """Build the app of a workspace as clients reach it at `host`.

    `load_champion` loads the champion first, for servers that send requests without checking /readyz.
    Raises UsageError when `host` is reachable from other machines and no API key is usable.
    """
    loopback = require_keys_beyond_loopback(workspace, host)
    params, metrics = load_params(workspace.params), ServiceMetrics()
    cfg = params.serve
    source = ChampionSource(workspace, threads=min(MAX_THREADS, os.cpu_count() or 1))
    champion = ChampionHolder(source, metrics, now)
    if load_champion:
        champion.refresh()
    journal = Journal(workspace.journal, retention_days=cfg.journal.retention_days)
    service = Service(
        cfg=cfg,
        champion=champion,
        guard=AccessGuard(KeyStore(workspace.keys), cfg, loopback=loopback, now=now),
        journal=journal,
        journal_key=read_digest_key(workspace.journal_key),
        journal_health=JournalHealth(
            lambda: journal.probe(now()),
            lambda reason: journal_upkeep.report_unwritable(workspace, reason, now()),
        ),
        retain=lambda moment: journal_upkeep.retain(journal, moment),
        metrics=metrics,
        now=now,
        request_id=request_id,
        min_words=params.validation.language_min_words,
    )
    return create_app(service, [dashboard_router(_dashboard(workspace, champion, cfg, loopback=loopback))])


def _dashboard(
    workspace: Workspace, champion: ChampionHolder, cfg: ServeConfig, *, loopback: bool
) -> DashboardContext:
    return DashboardContext(
        workspace=workspace,
        data=DashboardData(workspace, prefect=os.environ.get("PREFECT_API_URL")),
        sessions=open_sessions(workspace),
        serving=champion.serving,
        cfg=cfg,
        loopback=loopback,
    )


def require_keys_beyond_loopback(workspace: Workspace, host: str) -> bool:
    """Return whether `host` is reachable from this machine only.

    Raises UsageError when other machines can reach it and no API key is usable.
    """
    loopback = is_loopback(host)
    if not loopback and not KeyStore(workspace.keys).usable(now=datetime.now(UTC)):
        raise UsageError(
            f"Other machines can reach {host}, and there is no valid API key. Type "
            "`tonewatch keys new --name NAME --scope predict`, or serve at 127.0.0.1."
        )
    return loopback
