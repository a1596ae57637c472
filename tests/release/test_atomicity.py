"""A move of the champion is wholly before or wholly after, wherever its process is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from world import build, serve, set_gate

ROUNDS = 100


@pytest.mark.timeout(600)
def test_a_move_killed_at_any_of_its_writes_is_wholly_before_or_wholly_after(
    tmp_path: Path, mlflow_uri: str
) -> None:
    places = build(tmp_path, mlflow_uri)
    serve(places, wrong=10)
    set_gate(places, champion_margin=0.007)  # so that params.yaml moves too
    serve(places, wrong=20)
    driver = Path(__file__).with_name("killing.py")
    command = [sys.executable, str(driver), str(places.root), places.mlflow, places.ledger, str(ROUNDS)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])

    assert len(set(told["writes"])) >= 6
    assert {"commit"} < set(told["writes"])
    outcomes = {"before": 0, "after": 0}
    for one in told["rounds"]:
        assert one["ended"] == -9, one
        before, after = one["before"], one["after"]
        assert after["faults"] == after["differing"] == [], one
        where = "before" if after["current"] == before["current"] else "after"
        outcomes[where] += 1
        assert after["moves"] == before["moves"] + (where == "after"), one
        other = {"R1": "R2", "R2": "R1"}
        assert after["aliases"] == {
            "champion": after["current"][1],
            "previous": other[after["current"]][1],
        }, one
        assert after["margin"] == f"champion_margin: {'0.005' if after['current'] == 'R1' else '0.007'}", one
    assert min(outcomes.values()) >= ROUNDS // 10, outcomes
