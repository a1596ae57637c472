"""What the commands print for people: short, aligned, and plain where stdout is no terminal."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.config import Workspace
from pipeline.base.documents import upgrade_release
from pipeline.cli import printing
from pipeline.cli.tables import table

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def record() -> Any:
    return upgrade_release(json.loads((FIXTURES / "release.json").read_text("utf-8"))) | {
        "metrics": {"macro_f1": 0.728, "accuracy": 0.766, "per_source": {}}
    }


def result(record: Any, **changes: Any) -> Any:
    return {
        "document": record,
        "ran": ["collect", "clean"],
        "moved": {"to": "R3"},
        "waiting": False,
    } | changes


def test_a_run_ends_in_at_most_15_lines(record: Any, tmp_path: Path) -> None:
    lines = printing.run(result(record), Workspace.of(tmp_path, {})).splitlines()

    assert len(lines) <= 15
    assert lines[:2] == [
        "Ran collect, clean.",
        "R3 is in service. Data v2, model version 3, code d5ad227c1f0e9a4b6c8d.",
    ]
    assert lines[3].split() == ["model", "macro", "F1", "95%", "interval", "accuracy"]
    assert [line.split()[:2] for line in lines[4:7]] == [
        ["R3", "0.728"],
        ["tfidf", "0.631"],
        ["vader", "0.568"],
    ]
    count = len(record["decision"]["checks"])
    assert f"Gate: accepted, {count} of {count} checks passed." in lines
    assert any("tonewatch release show" in line for line in lines[-5:])


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"ran": [], "moved": None}, "R3 stays in service."),
        ({"moved": None, "waiting": True}, "tonewatch release approve R3"),
    ],
)
def test_a_run_without_a_move_says_so(record: Any, tmp_path: Path, changes: Any, state: str) -> None:
    assert state in printing.run(result(record, **changes), Workspace.of(tmp_path, {}))


def test_a_release_is_shown_with_every_check_of_the_gate(record: Any) -> None:
    text = printing.release(record)

    for check in record["decision"]["checks"]:
        assert f"{check['name']}  " in text
        assert check["sentence"] in text


def test_a_release_of_an_early_version_is_shown_with_its_reasons(record: Any) -> None:
    record["decision"] = {"accepted": True, "reasons": ["Macro F1 is above the floor."], "checks": []}

    assert printing.release(record).endswith("Gate: accepted.\n  Macro F1 is above the floor.")


def test_a_table_outside_a_terminal_is_plain_and_never_wraps() -> None:
    long = "reason " * 60

    text = table([("1", long), ("[bold]22", "\x1b[31mred")], header=("no.", "reason"), indent=2)

    assert text.splitlines() == ["  no.       reason", f"  1         {long.strip()}", "  [bold]22  [31mred"]
