"""Split: divide the validated texts into train, valid and test."""

import contextlib
import dataclasses
import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.base import logs
from pipeline.base.config import SplitConfig
from pipeline.base.data_account import ACCOUNT, DataAccount
from pipeline.base.errors import DataRejected
from pipeline.base.records import SPLITS, Receipt, SplitName, TextRecord, counts_by
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.core.privacy.preparation import PREPARATION
from pipeline.core.split.plan import NO_SPLIT, Planner, SplitPlan
from pipeline.core.split.signed_rows import sign_rows, sign_whole_texts
from pipeline.core.validate import leakage
from pipeline.io import files, parquet
from pipeline.io.streams.fingerprint import add_rows, fingerprint
from pipeline.io.streams.spill import spill
from pipeline.io.streams.tables import TableWriter, read_batches, records_of, rows_where, with_values
from pipeline.io.streams.worker_pool import Batching, map_in_order
from pipeline.stages.collect import TEXTS

if TYPE_CHECKING:
    import pyarrow

    from pipeline.stages.context import StageContext

LEFT_OUT = "left_out.parquet"
Writers = Mapping[SplitName, TableWriter]
# The rows of a batch that are in each split.
Parts = list[tuple[SplitName, "pyarrow.RecordBatch"]]


def split(
    clean: Path,
    validation: Path,
    out: Path,
    cfg: SplitConfig,
    *,
    learnt: Iterable[str] = (),
    batching: Batching | None = None,
    task: TaskName = SINGLE_LABEL,
) -> Receipt:
    """Split the validated texts into train, valid and test.

    `learnt` holds the texts that the champion was trained or selected on: none of them becomes a test text.
    The receipt counts labels, languages and sources by split, texts in none by reason, groups merged for near
    duplicates and texts kept in train, and notes the fingerprint of the split. Raises DataRejected when a
    split is unusable, or an id, text or group is in two of them.
    """
    batching = batching or Batching()
    files.verified_receipt(validation, made_by="validate")
    clean_receipt = files.verified_receipt(clean, made_by="clean")
    with files.staging_dir(out) as staging:
        with spill(staging / "spilled") as store:
            plan = _plan(clean / TEXTS, Planner(cfg, store, task), learnt, cfg, batching)
        divided = Divided(plan, _group_names(clean / TEXTS, plan))
        with contextlib.ExitStack() as tables:
            writers = {
                name: tables.enter_context(TableWriter(staging / f"{name}.parquet", parquet.COLUMNS))
                for name in SPLITS
            }
            columns = (*parquet.COLUMNS, "reason")
            left_out = tables.enter_context(TableWriter(staging / LEFT_OUT, columns))
            batches = divided.write(read_batches(clean / TEXTS, batching.rows), writers, left_out)
            for _, part in map_in_order(functools.partial(digest_rows, task), batches, batching):
                divided.add(part)
        _refuse_leaks(divided, staging, batching.rows)
        sizes = {name: writer.rows for name, writer in writers.items()}
        total = fingerprint([divided.total], sum(sizes.values()))
        notes = {"fingerprint": total, **_notes(clean_receipt, plan)}
        logs.get("split").info(
            "texts.split",
            **sizes,
            left_out=left_out.rows,
            merged_groups=plan.merged_groups,
            kept_in_train=plan.kept_in_train,
        )
        return files.write_receipt(staging, Receipt("split", counts=divided.counts(sizes), notes=notes))


def _plan(
    path: Path, planner: Planner, learnt: Iterable[str], cfg: SplitConfig, batching: Batching
) -> SplitPlan:
    names = ("text", "group", "source", "label", "split")
    columns = (list(batch.to_pydict().values()) for batch in read_batches(path, batching.rows, names))
    batches = ((rest, (texts, groups)) for texts, groups, *rest in columns)
    for rest, signed in map_in_order(functools.partial(sign_rows, cfg), batches, batching):
        planner.add(signed, *rest)
    some, sign = iter(learnt), functools.partial(sign_whole_texts, cfg.near_duplicates)
    parts = iter(lambda: list(itertools.islice(some, batching.rows)), [])
    for _, learnt_part in map_in_order(sign, ((None, part) for part in parts), batching):
        planner.add_learnt(learnt_part)
    return planner.plan(planner.labels)


def _group_names(path: Path, plan: SplitPlan) -> dict[int, str]:
    """Return the names of the groups that others are merged into, by the rows that hold them."""
    wanted = set(plan.groups[plan.renamed].tolist())
    names = enumerate(parquet.stream_rows(path, "group"))
    return {row: name for row, (name,) in names if row in wanted} if wanted else {}


@dataclass
class Divided:
    """Write each text to its split, and count it; `names` are those of merged groups by their rows."""

    plan: SplitPlan
    names: Mapping[int, str]
    leaks: leakage.LeakSearch = field(default_factory=leakage.LeakSearch)
    total: int = 0
    by_field: Counter[str] = field(default_factory=Counter)

    def write(
        self, batches: Iterable["pyarrow.RecordBatch"], writers: Writers, left_out: TableWriter
    ) -> Iterator[tuple[None, Parts]]:
        """Write batches of texts, and yield of each what the fingerprint covers."""
        start = 0
        for whole in batches:
            sides = self.plan.sides[start : start + whole.num_rows]
            batch = self._renamed(whole, start)
            parts: Parts = []
            for side, name in enumerate(SPLITS):
                part = rows_where(batch, sides == side)
                writers[name].add(part)
                parts.append((name, part))
            rows = (np.flatnonzero(sides == NO_SPLIT) + start).tolist()
            reasons = [self.plan.left_out[row] for row in rows]
            left_out.add(with_values(rows_where(batch, sides == NO_SPLIT), reason=reasons))
            start += whole.num_rows
            yield None, parts

    def _renamed(self, batch: "pyarrow.RecordBatch", start: int) -> "pyarrow.RecordBatch":
        rows = np.flatnonzero(self.plan.renamed[start : start + batch.num_rows]).tolist()
        if not rows:
            return batch
        groups = batch["group"].to_pylist()
        for row in rows:
            groups[row] = self.names[int(self.plan.groups[start + row])]
        return with_values(batch, group=groups)

    def add(self, digested: "DigestedRows") -> None:
        """Add what a worker returned of a batch."""
        self.total += digested.total
        self.by_field.update(digested.by_field)
        self.leaks.add(digested.keys, digested.sides)

    def counts(self, sizes: Mapping[SplitName, int]) -> dict[str, int]:
        """Return the counts of the receipt."""
        return {
            "merged groups": self.plan.merged_groups,
            "kept in train": self.plan.kept_in_train,
            **counts_by("left out", self.plan.left_out.values()),
            **{
                f"dealt/{source}/{side}": number for (source, side), number in sorted(self.plan.dealt.items())
            },
            **{str(side): number for side, number in sizes.items()},
            **self.by_field,
        }


@dataclass(frozen=True)
class DigestedRows:
    """Hold the sum of the digests of rows, their keys by which leaks are found, and their splits.

    `by_field` counts the rows by split and label, language and source.
    """

    total: int
    by_field: Counter[str]
    keys: NDArray[np.uint64]
    sides: NDArray[np.int8]


def digest_rows(task: TaskName, parts: "Parts") -> DigestedRows:
    """Digest the rows of each split; it can be called in another process."""
    total, by_field, keys, sides = 0, Counter[str](), [], []
    for side, (name, rows) in enumerate(parts):
        columns: dict[str, list[str]] = rows.to_pydict()
        total += add_rows(name, columns)
        for one in ("label", "lang", "source"):
            for value, number in Counter(columns[one]).items():
                for part in answer_form(task).labels_of(value) if one == "label" else (value,):
                    by_field[f"{name}/{one}/{part}"] += number
        keys.append(leakage.leak_keys(columns["id"], columns["text"], columns["group"]))
        sides.append(np.full(rows.num_rows, side, np.int8))
    return DigestedRows(total, by_field, np.concatenate(keys), np.concatenate(sides))


def _refuse_leaks(divided: Divided, staging: Path, rows: int) -> None:
    suspects = divided.leaks.suspects()
    if not any(map(len, suspects)):
        return
    splits: dict[SplitName, list[TextRecord]] = {name: [] for name in SPLITS}
    for name in SPLITS:
        for batch in read_batches(staging / f"{name}.parquet", rows):
            records = records_of(batch)
            keys = leakage.leak_keys(*([getattr(r, k) for r in records] for k in ("id", "text", "group")))
            shared = leakage.are_shared(keys, suspects)
            splits[name] += [record for record, is_shared in zip(records, shared, strict=True) if is_shared]
    if found := leakage.leaks(splits):
        raise DataRejected(
            "The splits leak into each other:\n"
            + "\n".join(f"  {leak}" for leak in found)
            + "\nGive such texts one `group`, or correct the source's own split column; "
            "without that column (`columns.split: null`) whole groups are split by hash."
        )


def _notes(clean: Receipt, plan: SplitPlan) -> dict[str, str]:
    """Return the notes that travel with the data: how texts are prepared, and the account of all rows."""
    notes = {name: clean.notes[name] for name in (PREPARATION,) if name in clean.notes}
    account = DataAccount.of_notes(clean.notes)
    if account is None:
        return notes
    remarks = tuple(
        f"source {source} brings no {side} split: {number:,} of its train texts are dealt there by hash"
        for (source, side), number in sorted(plan.dealt.items())
    )
    near, left_out = plan.near_duplicates, len(plan.left_out)
    remarks = account.remarks + remarks
    account = dataclasses.replace(account, near_duplicates=near, left_out=left_out, remarks=remarks)
    return {**notes, ACCOUNT: account.to_json()}


def run(context: "StageContext") -> Receipt:
    """Run the stage in a workspace."""
    from pipeline.io.learnt_texts import stream_learnt_texts

    return split(
        context.folder("clean"),
        context.folder("validate"),
        context.folder("split"),
        context.params.split,
        learnt=stream_learnt_texts(context.workspace),
        batching=context.batching,
        task=context.params.task,
    )
