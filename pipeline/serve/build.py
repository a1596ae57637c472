"""Build the web app of one workspace from its settings, champion, keys, journal and dashboard data."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from fastapi import FastAPI, Request

from pipeline.base.config import ServeConfig, Workspace
from pipeline.base.errors import UsageError
from pipeline.base.hosts import is_loopback
from pipeline.inference.champion import ChampionSource
from pipeline.io.journal.digest_key import read_digest_key
from pipeline.io.journal.journal import Journal, request_id
from pipeline.io.params_file import load_params
from pipeline.io.security.api_keys import KeyStore
from pipeline.operations import journal_upkeep
from pipeline.operations.api_keys import make_local_key
from pipeline.operations.dashboard.actions import SessionStore, open_sessions
from pipeline.operations.dashboard.data import DashboardData
from pipeline.serve.api.app import create_app
from pipeline.serve.api.handlers import Service
from pipeline.serve.api.prevalence import prevalence_router
from pipeline.serve.dashboard.context import DashboardContext
from pipeline.serve.dashboard.cookies import session_key
from pipeline.serve.dashboard.routes import dashboard_router
from pipeline.serve.http.access import AccessGuard
from pipeline.serve.runtime.champion import ChampionHolder
from pipeline.serve.runtime.journal_health import JournalHealth
from pipeline.serve.runtime.metrics import ServiceMetrics

LOCAL_KEY = "local.key"
MAX_THREADS = 2  # cores that share a batch


def build_app(
    workspace: Workspace,
    *,
    host: str,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    load_champion: bool = False,
) -> FastAPI:
    """Build the app of a workspace as clients reach it at `host`.

    `load_champion` loads the champion first, for servers that send requests without checking /readyz. Every
    client needs a key, so the caller has one made by `ensure_key`.
    """
    params, metrics = load_params(workspace.params), ServiceMetrics()
    cfg = params.serve
    source = ChampionSource(workspace, threads=min(MAX_THREADS, os.cpu_count() or 1))
    champion = ChampionHolder(source, metrics, now)
    if load_champion:
        champion.refresh()
    sessions = open_sessions(workspace)
    journal = Journal(workspace.journal, retention_days=cfg.journal.retention_days)
    service = Service(
        cfg=cfg,
        champion=champion,
        guard=AccessGuard(KeyStore(workspace.keys), cfg, hosts=own_hosts(workspace, host), now=now),
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
        signed_in=lambda scope: session_key(Request(scope), sessions),
    )
    dashboard = _dashboard(workspace, champion, cfg, sessions)
    routers = [prevalence_router(workspace), dashboard_router(dashboard)]
    return create_app(service, routers, prefix=urlsplit(workspace.dashboard).path)


def _dashboard(
    workspace: Workspace, champion: ChampionHolder, cfg: ServeConfig, sessions: SessionStore
) -> DashboardContext:
    public = urlsplit(workspace.dashboard)
    return DashboardContext(
        workspace=workspace,
        data=DashboardData(workspace, prefect=os.environ.get("PREFECT_API_URL")),
        sessions=sessions,
        serving=champion.serving,
        cfg=cfg,
        origin=f"{public.scheme}://{public.netloc}" if public.netloc else "",
    )


def own_hosts(workspace: Workspace, host: str) -> frozenset[str] | None:
    """Return the names of a service that listens at `host`, beside loopback ones; None where all are allowed.

    A service on loopback has the name of its public address, TONEWATCH_DASHBOARD, at which a proxy serves it.
    """
    if not is_loopback(host):
        return None
    return frozenset(filter(None, [urlsplit(workspace.dashboard).hostname]))


def ensure_key(workspace: Workspace, host: str) -> str:
    """Make sure that a key is usable, on loopback by making one; return the path of it or of all keys.

    Raises UsageError when other machines can reach `host` and no key is usable.
    """
    store, path, now = KeyStore(workspace.keys), workspace.home / LOCAL_KEY, datetime.now(UTC)
    if store.usable(now=now):
        secret = path.read_text("utf-8").strip() if path.exists() else ""
        return str(workspace.keys if store.check(secret, "predict", now=now).rejection else path)
    if not is_loopback(host):
        raise UsageError(
            f"Other machines can reach {host}, and there is no valid API key. Type "
            "`tonewatch keys new --name NAME --scope predict`, or serve at 127.0.0.1."
        )
    return str(make_local_key(workspace, path))
