"""A move of the champion happens completely or not at all, wherever its process is killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from world import build, serve, set_gate


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [12, pytest.param(100, marks=pytest.mark.chaos)])
def test_a_move_killed_at_any_write_is_complete_or_absent(
    tmp_path: Path, mlflow_uri: str, rounds: int
) -> None:
    places = build(tmp_path, mlflow_uri)
    serve(places, wrong=10)
    set_gate(places, champion_margin=0.007)  # so that params.yaml moves too
    serve(places, wrong=20)
    driver = Path(__file__).parents[1] / "support" / "killing.py"
    command = [sys.executable, str(driver), str(places.root), places.mlflow, places.ledger, str(rounds)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])

    assert len(set(result["writes"])) >= 6
    assert {"commit"} < set(result["writes"])
    outcomes = {"before": 0, "after": 0}
    for one in result["rounds"]:
        assert one["exit_code"] == -9, one
        before, after = one["before"], one["after"]
        assert after["faults"] == after["diff"] == [], one
        outcome = "before" if after["champion"] == before["champion"] else "after"
        outcomes[outcome] += 1
        assert after["moves"] == before["moves"] + (outcome == "after"), one
        other = {"R1": "R2", "R2": "R1"}
        assert after["aliases"] == {
            "champion": after["champion"][1],
            "previous": other[after["champion"]][1],
        }, one
        assert after["margin"] == f"champion_margin: {'0.005' if after['champion'] == 'R1' else '0.007'}", one
    assert min(outcomes.values()) >= rounds // 10, outcomes
