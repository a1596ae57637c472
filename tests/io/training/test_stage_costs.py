"""The cost of a stage is kept beside its receipt."""

from pathlib import Path

import pytest

from pipeline.base.records import Receipt
from pipeline.io.training.stage_costs import FILE, MOST_ENTRIES, StageCost, StageCosts

CLEAN, SPLIT = Receipt("clean", counts={"kept": 3}), Receipt("split")


def test_the_cost_of_a_receipt_is_found_again(tmp_path: Path) -> None:
    StageCosts(tmp_path).keep(CLEAN, StageCost(12.5, 2))

    assert StageCosts(tmp_path).find(CLEAN) == StageCost(12.5, 2)
    assert StageCosts(tmp_path).find(SPLIT) is None


def test_a_stage_that_is_repeated_counts_by_its_last_run(tmp_path: Path) -> None:
    costs = StageCosts(tmp_path)
    costs.keep(CLEAN, StageCost(12.5, 2))
    costs.keep(CLEAN, StageCost(3.0, 4))

    assert costs.find(CLEAN) == StageCost(3.0, 4)


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    costs = StageCosts(tmp_path)
    receipts = [Receipt("clean", counts={"kept": number}) for number in range(MOST_ENTRIES + 1)]
    for receipt in receipts:
        costs.keep(receipt, StageCost(1.0, 1))

    assert [costs.find(receipts[number]) is None for number in (0, 1)] == [True, False]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', '[["a"]]', "null"])
def test_a_file_that_is_broken_holds_no_cost(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    costs = StageCosts(tmp_path)

    assert costs.find(CLEAN) is None
    costs.keep(CLEAN, StageCost(1.0, 1))
    assert costs.find(CLEAN) == StageCost(1.0, 1)
