"""The sealed reserve: whole groups, the same in every split, and never all of it."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.config import SplitConfig
from pipeline.core.gate.reserve import reserved_rows
from pipeline.core.split.groups import assign_split

OTHERS = [f"other {number}" for number in range(20)]
GROUPS = [f"group {number}" for number in range(4000)]


def test_the_share_of_groups_is_reserved() -> None:
    assert 0.17 < sum(reserved_rows(GROUPS, 0.2)) / len(GROUPS) < 0.23
    assert not any(reserved_rows(GROUPS, 0.0))


@given(st.lists(st.integers(0, 30), min_size=1), st.floats(0, 0.99))
def test_a_group_is_reserved_as_a_whole_and_in_every_later_split(numbers: list[int], share: float) -> None:
    groups = [f"g{number}" for number in numbers]
    reserved = reserved_rows(groups, share)
    assert len({*zip(groups, reserved, strict=True)}) == len(set(groups))
    assert not all(reserved)
    later = dict(zip([*groups, *OTHERS], reserved_rows([*groups, *OTHERS], share), strict=True))
    assert not any(reserved) or all(later[group] == one for group, one in zip(groups, reserved, strict=True))


def test_the_reserve_does_not_depend_on_the_split() -> None:
    # All test groups lie below `split.test` in the hash of the split.
    cfg = SplitConfig(valid=0.1, test=0.15, salt="tonewatch-1", near_duplicates=0.8)
    test = [group for group in GROUPS if assign_split(group, cfg) == "test"]
    assert 0.13 < sum(reserved_rows(test, 0.2)) / len(test) < 0.27


def test_one_group_alone_is_not_reserved() -> None:
    assert all(not any(reserved_rows([name] * 5, 0.99)) for name in GROUPS[:50])
