"""Stored documents of earlier versions: each is brought to today's keys, and nothing is lost or invented."""

import copy
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from pipeline.base.documents import (
    Comparison,
    CompressionMenu,
    EvaluationReport,
    ForgettingDifference,
    GateCheckRecord,
    MenuVariant,
    ReleaseRecord,
    SliceDifference,
    upgrade_release,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture(params=["release.json", "refused.json"])
def stored(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(json.loads((FIXTURES / request.param).read_text("utf-8")))


def has_keys_of(document: object, shape: type) -> bool:
    required, known = shape.__required_keys__, set(get_type_hints(shape))  # type: ignore[attr-defined]
    return isinstance(document, dict) and required <= set(document) <= known


def test_a_version_1_record_gets_every_key_of_today(stored: dict[str, Any]) -> None:
    record = upgrade_release(stored)

    assert ReleaseRecord.__required_keys__ <= set(record)
    assert record["schema"] == 2
    assert has_keys_of(record["evaluation"], EvaluationReport)
    assert has_keys_of(record["variant"], MenuVariant)
    assert has_keys_of(record["menu"], CompressionMenu)
    assert has_keys_of(record["comparison"], Comparison)
    assert all(has_keys_of(variant, MenuVariant) for variant in record["menu"]["variants"])
    assert all(has_keys_of(check, GateCheckRecord) for check in record["decision"]["checks"])
    comparison = record["comparison"]
    assert comparison
    assert all(has_keys_of(row, SliceDifference) for row in comparison["slices"])
    assert all(has_keys_of(row, ForgettingDifference) for row in comparison["forgetting"])


def test_values_move_to_their_new_keys_unchanged(stored: dict[str, Any]) -> None:
    record = upgrade_release(stored)
    old = stored["comparison"]

    assert record["previously_rolled_back"] == stored["withdrawn"]
    assert record["teacher"] == stored["parent"]
    assert record["menu"]["teacher"] == stored["menu"]["parent"]
    assert record["variant"]["macro_f1_drop"] == stored["cost"]["macro_f1_fall"]
    assert record["variant"]["worst_slice"]["drop"] == stored["cost"]["worst_slice"]["fall"]
    comparison = record["comparison"]
    assert comparison
    assert comparison["macro_f1"]["minimum_detectable"] == old["macro_f1"]["visible"]
    assert comparison["changed"]["fixed"] == old["changed"]["mended"]
    assert comparison["changed"]["texts"] == old["changed"]["texts"]
    checks = zip(record["decision"]["checks"], stored["decision"]["parts"], strict=True)
    assert all(new["shortfall"] == old["missing"] for new, old in checks)
    assert record["decision"]["reasons"] == stored["decision"]["reasons"]
    assert record["evaluation"] == stored["evaluation"]  # its digest is among the files of the release


def test_checks_and_figures_are_named_as_today(stored: dict[str, Any]) -> None:
    checks = {check["name"]: check for check in upgrade_release(stored)["decision"]["checks"]}

    assert "withdrawn" not in checks
    assert "rollback" in checks
    assert set(checks["attack"]["figures"]) == {"drop", "max_attack_drop"}
    assert "minimum_detectable" in checks["champion"]["figures"]


def test_todays_record_is_left_alone_and_the_stored_one_is_not_touched(stored: dict[str, Any]) -> None:
    before = copy.deepcopy(stored)
    record = upgrade_release(stored)

    assert upgrade_release(record) is record
    assert stored == before


def test_keys_that_an_older_record_lacks_stay_absent(stored: dict[str, Any]) -> None:
    for name in ("withdrawn", "menu", "cost", "comparison"):
        del stored[name]
    stored["decision"]["parts"] = [{"name": "floor", "passed": True, "figures": {}, "sentence": "…"}]

    record = upgrade_release(stored)

    assert not {"previously_rolled_back", "menu", "variant", "comparison"} & set(record)
    assert record["decision"]["checks"][0]["shortfall"] is None


def test_a_comparison_without_slices_gets_a_two_sided_confidence(stored: dict[str, Any]) -> None:
    bounds = {"difference": 0.02, "low": 0.01, "high": 0.03}
    stored["comparison"] = {
        "champion": "R2",
        "champion_macro_f1": 0.70,
        "texts": 900,
        "confidence": 0.975,
        **bounds,
    }

    comparison = upgrade_release(stored)["comparison"]

    assert comparison
    assert comparison["confidence"] == pytest.approx(0.95)
    assert comparison["macro_f1"] == {"champion": 0.70, "candidate": 0.72, **bounds}
