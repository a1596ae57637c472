"""The environment that every entry point sets: no telemetry, no proxy for this machine, a token for Ray."""

import urllib.request
from pathlib import Path

import httpx
import pytest

from pipeline.base.config import Workspace
from pipeline.base.config.environment import TELEMETRY_OFF, configure_environment
from pipeline.base.errors import UsageError

PROXY = "http://proxy.example:3128"


def configured(tmp_path: Path, **variables: str) -> dict[str, str]:
    environment = dict(variables)
    configure_environment(Workspace.of(tmp_path, environment), environment)
    return environment


def test_nothing_reports_home(tmp_path: Path) -> None:
    assert TELEMETRY_OFF.items() <= configured(tmp_path).items()


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    environment = configured(tmp_path, PREFECT_LOGGING_LEVEL="DEBUG", RAY_AUTH_MODE="disabled")

    assert (environment["PREFECT_LOGGING_LEVEL"], environment["RAY_AUTH_MODE"]) == ("DEBUG", "disabled")


@pytest.mark.surrounding("S2")
@pytest.mark.parametrize("exempt", [None, "", "intranet.example", " localhost , intranet.example"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exempt: str | None, name: str, host: str
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    variables = {name: PROXY} | ({} if exempt is None else {"NO_PROXY": exempt, "no_proxy": exempt})
    for variable, value in configured(tmp_path, **variables).items():
        monkeypatch.setenv(variable, value)

    with httpx.Client() as client:
        transport = client._transport_for_url(httpx.URL(f"http://{host}:4200/api"))
        outside = client._transport_for_url(httpx.URL("http://index.example/simple"))

    assert transport is client._transport
    assert outside is not client._transport
    assert urllib.request.proxy_bypass_environment(host.strip("[]"))


@pytest.mark.surrounding("S2")
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("value", ["mlflow.corp", "*", "mlflow.corp,10.0.0.0/8"])
def test_what_the_user_exempts_stays_exempt_in_both_spellings(tmp_path: Path, name: str, value: str) -> None:
    environment = configured(tmp_path, HTTP_PROXY=PROXY, **{name: value})

    for spelling in ("NO_PROXY", "no_proxy"):
        assert environment[spelling].startswith(value)


@pytest.mark.surrounding("S2")
def test_a_star_exempts_everything_and_stays(tmp_path: Path) -> None:
    assert configured(tmp_path, NO_PROXY="*")["NO_PROXY"] == "*"


def test_a_cluster_of_the_user_keeps_its_own_token(tmp_path: Path) -> None:
    assert "RAY_AUTH_MODE" not in configured(tmp_path, RAY_ADDRESS="ray://head:10001")


@pytest.mark.attack("A1")
@pytest.mark.parametrize("address", [None, "", "local"])
def test_a_cluster_that_is_started_here_asks_for_a_token(tmp_path: Path, address: str | None) -> None:
    environment = configured(tmp_path, **({} if address is None else {"RAY_ADDRESS": address}))

    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_AUTH_TOKEN_PATH"] == str(Workspace.of(tmp_path, {}).ray_token)


@pytest.mark.attack("A1")
def test_prefect_starts_no_server_by_itself(tmp_path: Path) -> None:
    assert configured(tmp_path)["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] == "false"


@pytest.mark.surrounding("S2")
@pytest.mark.parametrize(
    "address", ["localhost:8000", "mood.example.org/mood", "https://", "https://[x", "ftp://a"]
)
def test_a_public_address_without_a_scheme_or_a_host_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"https://tone\.example/mood"):
        Workspace.of(tmp_path, {"TONEWATCH_DASHBOARD": address})


def test_mlflow_prints_no_address_where_json_is_expected(tmp_path: Path) -> None:
    assert configured(tmp_path)["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true"


def test_a_training_store_is_an_address_that_other_machines_reach(tmp_path: Path) -> None:
    workspace = Workspace.of(tmp_path, {"TONEWATCH_TRAINING_STORE": "s3://mine/training/"})

    assert workspace.training_store == "s3://mine/training"
    assert Workspace.of(tmp_path, {}).training_store == ""
    with pytest.raises(UsageError, match="Write it as s3://bucket/folder"):
        Workspace.of(tmp_path, {"TONEWATCH_TRAINING_STORE": "/mnt/training"})
