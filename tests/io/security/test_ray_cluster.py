"""A Ray cluster that cannot be joined."""

import socket
from pathlib import Path

import pytest

from pipeline.base.errors import Unreachable, UsageError
from pipeline.io.security.ray_cluster import RayCluster


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("127.0.0.1:PORT", "Connection refused"),
        ("ray://127.0.0.1:PORT", "Connection refused"),
        ("127.0.0.1:99999", "Port out of range"),
        ("nonsense", "Invalid address format"),
        ("auto", "Could not find any running Ray instance"),
    ],
)
def test_a_cluster_that_does_not_answer_is_named_at_once(
    address: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No cluster of another test, or one that was killed, is found by `auto`.
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    address = address.replace("PORT", str(closed_port()))

    with pytest.raises(Unreachable) as refused:
        RayCluster(address, tmp_path / "token").join()

    assert f"No Ray cluster answers at RAY_ADDRESS ({address}): {why}" in str(refused.value)
    assert "unset it to work on this machine alone" in str(refused.value)


@pytest.mark.timeout(30)
def test_a_cluster_that_was_killed_and_left_its_address_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{closed_port()}")

    with pytest.raises(Unreachable, match=r"RAY_ADDRESS \(auto\): the last cluster of this machine was at"):
        RayCluster("auto", tmp_path / "token").join()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_more_workers_than_cores_are_refused_at_once(tmp_path: Path) -> None:
    cluster = RayCluster("local", tmp_path / "token")
    cluster.join()

    cluster.require_cores(1)
    with pytest.raises(UsageError, match=r"asks for 5000 workers, and this machine has \d+ core"):
        cluster.require_cores(5000)
