"""The environment that every door sets first: nothing reports home, and embedded stores lie in the workspace."""

from collections.abc import MutableMapping

from pipeline.base.config.workspace import Workspace

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
SAFE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
PREFECT = {
    # Our own log says what happens; Prefect's would repeat each refusal with a traceback.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    # The first start lays out its database and can take half a minute on a small machine; its default is to give up at 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def configure_environment(places: Workspace, environment: MutableMapping[str, str]) -> None:
    """Set what is not set already; a place or a level that somebody chose stays theirs."""
    # DVC would keep its index of digests under /var/tmp, shared by every user of the machine.
    embedded = {"PREFECT_HOME": str(places.home / "prefect"), "DVC_SITE_CACHE_DIR": str(places.home / "dvc")}
    for name, value in {**TELEMETRY_OFF, **SAFE, **PREFECT, **embedded}.items():
        environment.setdefault(name, value)
    if "RAY_ADDRESS" not in environment:
        # Workers of one machine talk over loopback; gloo would pick any interface.
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
