"""The environment that every entry point sets first: no telemetry, embedded stores in the workspace."""

from collections.abc import MutableMapping

from pipeline.base.config.workspace import Workspace
from pipeline.base.secrets import remember_secrets

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
# MLflow prints the address of a run on the standard output, where our own JSON stands.
QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
TUNE = {
    # Seconds between two records of a search: after a kill it goes on from the last one.
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    # Its panels would stand on the standard output, before our own JSON.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Each trial would get tables and event files of its own.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
PREFECT = {
    # Our own log reports what happens; Prefect's would repeat each error with a traceback.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    # The server that Prefect starts by itself asks for no secret; ours does.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
}


def configure_environment(places: Workspace, environment: MutableMapping[str, str]) -> None:
    """Set the variables that are not set yet; what the user has set stays."""
    # DVC keeps its index of digests under /var/tmp by default, shared by every user of the machine.
    embedded = {"PREFECT_HOME": str(places.home / "prefect"), "DVC_SITE_CACHE_DIR": str(places.home / "dvc")}
    for name, value in {**TELEMETRY_OFF, **SAFE, **QUIET, **TUNE, **PREFECT, **embedded}.items():
        environment.setdefault(name, value)
    if places.ray == "local":
        # Workers of one machine talk over loopback; gloo would pick any interface.
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")
        # Ray's own default is a token of the user for all clusters, which others may be able to read.
        environment.setdefault("RAY_AUTH_MODE", "token")
        environment.setdefault("RAY_AUTH_TOKEN_PATH", str(places.ray_token))
        # Without clusters of several machines, Ray's processes listen on loopback, as on Windows and macOS.
        environment.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    _exempt_loopback(environment)
    remember_secrets(environment)


def _exempt_loopback(environment: MutableMapping[str, str]) -> None:
    """Exempt this machine from the proxies that variables name: no proxy can reach its loopback."""
    # Libraries read one spelling or the other, most of them the lower one first.
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    exempt = [host.strip() for host in given.split(",") if host.strip()]
    value = given if "*" in exempt else ",".join(dict.fromkeys([*exempt, *LOOPBACK]))
    environment["NO_PROXY"] = environment["no_proxy"] = value
