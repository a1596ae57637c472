"""Decisions of earlier versions follow from their own evidence, by the rules of their version."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.config import GateConfig
from pipeline.base.config.parsing import read_yaml
from pipeline.base.documents import upgrade_release
from pipeline.base.earlier_params.added_keys import add_missing_keys
from pipeline.base.earlier_params.renamed_keys import upgrade_params_text
from pipeline.release.judge import redecide

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMPARED = ("name", "passed", "figures", "shortfall", "unit")


def stored(name: str) -> Any:
    return upgrade_release(json.loads((FIXTURES / f"{name}.json").read_text("utf-8")))


def gate_of(record: Any) -> GateConfig:
    content = read_yaml(upgrade_params_text(record["params"]))
    add_missing_keys(content)
    return GateConfig.model_validate(content["gate"])


@pytest.mark.parametrize("name", ["release", "refused"])
def test_a_stored_decision_is_made_again(name: str) -> None:
    record = stored(name)
    decision = redecide(record, gate_of(record)).record()

    assert decision["accepted"] is record["decision"]["accepted"]
    assert [[check[key] for key in COMPARED] for check in decision["checks"]] == [
        [check[key] for key in COMPARED] for check in record["decision"]["checks"]
    ]


def test_evidence_of_today_is_never_judged_by_earlier_rules() -> None:
    record = stored("release") | {"rules": 2}
    decision = redecide(record, gate_of(record))
    assert not decision.accepted
    assert any("differs from the gate's" in reason for reason in decision.reasons)
