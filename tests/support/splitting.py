"""The split of a few records that are in memory, by the same plan."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from pipeline.base.config import SplitConfig
from pipeline.base.records import SPLITS, SplitName, TextRecord
from pipeline.base.tasks import SINGLE_LABEL, TaskName
from pipeline.core.clean.near_duplicates import MemoryStore, sign_texts
from pipeline.core.split.plan import Planner, SplitPlan
from pipeline.core.split.signed_rows import sign_rows


@dataclasses.dataclass(frozen=True)
class Split:
    """Hold the texts of each split, those in none with the reason, and the plan."""

    texts: Mapping[SplitName, list[TextRecord]]
    left_out: Sequence[tuple[TextRecord, str]]
    plan: SplitPlan


def split_records(
    records: Sequence[TextRecord],
    cfg: SplitConfig,
    labels: Collection[str],
    learnt: Sequence[str] = (),
    task: TaskName = SINGLE_LABEL,
) -> Split:
    """Assign records to train, valid and test, in their order; see Planner, which raises what this raises."""
    planner = Planner(cfg, MemoryStore(), task)
    signed = sign_rows(cfg, ([one.text for one in records], [one.group for one in records]))
    planner.add(signed, *([getattr(one, name) for one in records] for name in ("source", "label", "split")))
    planner.add_learnt(sign_texts(cfg.near_duplicates, learnt))
    plan = planner.plan(labels)
    merged = [
        dataclasses.replace(one, group=records[row].group)
        for one, row in zip(records, plan.groups.tolist(), strict=True)
    ]
    texts: dict[SplitName, list[TextRecord]] = {
        split: [merged[row] for row, one in enumerate(plan.sides.tolist()) if one == side]
        for side, split in enumerate(SPLITS)
    }
    return Split(texts, [(merged[row], reason) for row, reason in plan.left_out.items()], plan)
