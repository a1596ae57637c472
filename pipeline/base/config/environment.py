"""The environment that every entry point sets first: no telemetry, embedded stores in the workspace."""

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
    # Our own log reports what happens; Prefect's would repeat each error with a traceback.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    # The first start creates its database, which takes half a minute on a small machine; the default is 20 s.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def configure_environment(places: Workspace, environment: MutableMapping[str, str]) -> None:
    """Set the variables that are not set yet; what the user has set stays."""
    # DVC keeps its index of digests under /var/tmp by default, shared by every user of the machine.
    embedded = {"PREFECT_HOME": str(places.home / "prefect"), "DVC_SITE_CACHE_DIR": str(places.home / "dvc")}
    for name, value in {**TELEMETRY_OFF, **SAFE, **PREFECT, **embedded}.items():
        environment.setdefault(name, value)
    if "RAY_ADDRESS" not in environment:
        # Workers of one machine talk over loopback; gloo would pick any interface.
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
