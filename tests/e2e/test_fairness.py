"""A hostile client delays the others by little: the p99 of a victim, with and without an attack."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import running_service
from flood import flooding
from service_process import started

pytestmark = [pytest.mark.chaos, pytest.mark.attack("A3"), pytest.mark.timeout(600)]
HOSTILE = {
    "tags": "<b>" * 3333,
    "joiners": "\u200d" * 9999,
    "digits": "+1 (212) 555-0" * 714,
    "addresses": "a@a.a@" * 1666,
    "mojibake": "â€™" * 3333,
    "entities": "&lt;b&gt;" * 1111,
}
REQUESTS = 150
ROUNDS = 3


def p99(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REQUESTS):
        start = time.monotonic()
        work()
        seconds.append(time.monotonic() - start)
        time.sleep(0.01)
    return sorted(seconds)[int(REQUESTS * 0.99)]


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_client_delays_others_by_little(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    workspace = running_service.make_workspace(tmp_path / "w")
    _, victim = running_service.create_key(workspace, "predict")
    _, attacker = running_service.create_key(workspace, "predict")
    body = json.dumps({"texts": [HOSTILE[name]] * 30}, ensure_ascii=False).encode()
    headers = {**attacker, "Content-Type": "application/json"}
    with started(workspace) as (_, client):
        assert client.base_url.port is not None

        def ask() -> None:
            response = client.post("/v1/predict", json={"texts": ["word1"]}, headers=victim)
            assert response.status_code == 200

        ask()
        ratios = []
        for _ in range(ROUNDS):
            alone = p99(ask)
            with flooding(client.base_url.port, "/v1/predict", body, headers) as statuses:
                attacked = p99(ask)
            ratios.append(attacked / alone)
            print(f"{alone * 1000:.1f} ms alone, {attacked * 1000:.1f} ms attacked, {dict(statuses)}")

    record_property("how", f"p99 x {sorted(ratios)[ROUNDS // 2]:.1f}")
    assert set(statuses) <= {"200", "429", "503"}
    assert sorted(ratios)[ROUNDS // 2] <= 2.0, ratios
