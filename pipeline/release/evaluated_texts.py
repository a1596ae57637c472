"""The test texts that a candidate was evaluated on: those that comparisons see, and the reserve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.base.documents import ReleaseRecord, SplitDescription
from pipeline.base.errors import Fault, TonewatchError
from pipeline.base.records import SplitName, TextRecord
from pipeline.core.clean.duplicates import whole_text_key
from pipeline.core.gate.looks import describe_test
from pipeline.core.gate.reserve import reserved_rows
from pipeline.io import files, parquet
from pipeline.io.versioning.data_versions import stream_split

TRAINED_ON: tuple[SplitName, ...] = ("train", "valid")


@dataclass(frozen=True)
class EvaluatedTexts:
    """Test texts and the predictions of the candidate, by name."""

    records: Sequence[TextRecord]
    predicted: Sequence[str]

    def where(self, keep: Callable[[int], bool]) -> "EvaluatedTexts":
        """Return the rows for which `keep` is true."""
        rows = [row for row in range(len(self.records)) if keep(row)]
        return EvaluatedTexts([self.records[row] for row in rows], [self.predicted[row] for row in rows])


@dataclass(frozen=True)
class JudgedTexts:
    """The test split in its two parts, and its description."""

    compared: EvaluatedTexts
    reserve: EvaluatedTexts
    split: SplitDescription


def read_judged_texts(data: Path, *, reserve: float) -> JudgedTexts:
    """Read the test split in the working tree with the stored predictions of the candidate.

    Raises Fault where the texts that the candidate was evaluated on are gone.
    """
    files.verified_receipt(data / "splits", made_by="split")
    texts = {record.id: record for record in parquet.read_texts(data / "splits" / "test.parquet")}
    predictions = parquet.read_rows(data / "evaluation" / "predictions.parquet")
    if set(predictions["id"]) != set(texts):
        raise Fault("data/evaluation and data/splits hold different texts. Type `tonewatch stage evaluate`.")
    every = EvaluatedTexts([texts[name] for name in predictions["id"]], list(predictions["predicted"]))
    sealed = reserved_rows([record.group for record in every.records], reserve)
    return JudgedTexts(
        every.where(lambda row: not sealed[row]),
        every.where(lambda row: sealed[row]),
        describe_test([record.text for record in every.records], reserved=sum(sealed)),
    )


@dataclass(frozen=True)
class TrainedRows:
    """Which of some texts a release was trained or selected on; `unknown` says why that is not known."""

    rows: frozenset[int]
    unknown: str | None = None


def rows_trained_on(
    root: Path, release: ReleaseRecord, records: Sequence[TextRecord], *, own: tuple[str | None, str]
) -> TrainedRows:
    """Find the texts that are, or whose group is, in the train or validation split of a release.

    `own` is the workspace and the data version that the texts come from: the test split of one version shares
    no text with its other splits. The splits of other versions are read from DVC, in batches.
    """
    workspace, version = own
    made_here = release.get("workspace") in (None, workspace)
    if made_here and release["data_version"] == version:
        return TrainedRows(frozenset())
    if not made_here:
        where = f"it was made in another workspace, on {release.get('host') or 'another machine'}."
        return TrainedRows(frozenset(), where)
    texts: dict[str, list[int]] = {}
    groups: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        texts.setdefault(whole_text_key(record.text), []).append(row)
        groups.setdefault(record.group, []).append(row)
    rows: set[int] = set()
    try:
        for text, group in stream_split(root, release["data_version"], *TRAINED_ON):
            rows.update(groups.get(group, ()))
            rows.update(texts.get(whole_text_key(text), ()))
    except (TonewatchError, OSError) as error:
        return TrainedRows(frozenset(), f"its data {release['data_version']} cannot be read ({error})")
    return TrainedRows(frozenset(rows))
