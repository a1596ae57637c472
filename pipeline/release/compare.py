"""The champion beside the candidate: re-scored on today's frozen items, and on those of its own past."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.base.config import Params, Workspace
from pipeline.base.errors import Fault, TonewatchError
from pipeline.base.records import TextRecord
from pipeline.core.evaluate.comparison import PairedPredictions, compare_models, measure_forgetting
from pipeline.core.evaluate.slices import slice_members
from pipeline.io import files, parquet
from pipeline.io.registry import release_files
from pipeline.io.versioning.data_versions import read_split


class TextPredictor(Protocol):
    """Label texts; the `labels` of the answer are names, in the texts' order."""

    def predict(self, texts: Sequence[str], /) -> Any:
        """Answer each text."""


PredictorLoader = Callable[[Path], TextPredictor]
Answered = Mapping[str, Sequence[str]]
Part = tuple[Sequence[TextRecord], Answered]


def compare_with_champion(
    workspace: Workspace, params: Params, champion: Mapping[str, Any], load: PredictorLoader
) -> dict[str, Any]:
    """Compare the candidate of the work tree with the champion, text by text; gives the comparison document.

    Raises Fault when the texts that were judged are no longer there.
    """
    data = workspace.root / "data"
    files.verified_receipt(data / "splits", made_by="split")
    records, mine = _judged(data)
    theirs = load(release_files.verified_copy(workspace, champion))
    today = records, {"candidate": mine, "champion": _labels(theirs, records)}
    learnt = _learnt(workspace, champion, today, load, theirs)
    labels = _names(params, [today, *(part for part, _ in learnt.values())])
    texts = ([r.text for r in records], [r.source for r in records], [r.lang for r in records])
    judged: dict[str, Any] = {"labels": labels, "gate": params.gate, "seed": params.seed}
    document = compare_models(
        _pair(*today, labels),
        champion=champion["release"],
        slices=slice_members(*texts, params.evaluate),
        **judged,
    )
    return {
        **document,
        "forgetting": measure_forgetting(
            {n: (_pair(*part, labels), v) for n, (part, v) in learnt.items()}, **judged
        ),
    }


def _judged(data: Path) -> tuple[list[TextRecord], list[str]]:
    """Give the test texts in the order in which the candidate answered them, and its answers."""
    texts = {record.id: record for record in parquet.read_texts(data / "splits" / "test.parquet")}
    answered = parquet.read_rows(data / "evaluation" / "predictions.parquet")
    if set(answered["id"]) != set(texts):
        raise Fault(
            "data/evaluation and data/splits hold different texts. Make the first anew with `tonewatch stage evaluate`."
        )
    return [texts[name] for name in answered["id"]], list(answered["guess"])


def _learnt(
    workspace: Workspace,
    champion: Mapping[str, Any],
    today: Part,
    load: PredictorLoader,
    theirs: TextPredictor,
) -> dict[str, tuple[Part, str]]:
    """Give texts and answers for each source the champion had learnt; those that today's data lack come from its own."""
    names, version = set(champion["evaluation"]["per_source"]), str(champion["data_version"])
    here = names & {record.source for record in today[0]}
    found = {name: (_only(name, today), "") for name in sorted(here)}
    if gone := sorted(names - here):
        try:
            old = read_split(workspace.root, version, "test")
        except TonewatchError as error:
            raise Fault(
                f"{champion['release']} learnt from {', '.join(gone)}, which today's texts lack, and its own test texts (data {version}) "
                f"cannot be read, so nobody can say what would be forgotten: {error}"
            ) from error
        past = (
            old,
            {
                "candidate": _labels(load(workspace.root / "data" / "candidate"), old),
                "champion": _labels(theirs, old),
            },
        )
        found |= {name: (_only(name, past), version) for name in gone}
    return found


def _only(source: str, part: Part) -> Part:
    records, answered = part
    rows = [row for row, record in enumerate(records) if record.source == source]
    return [records[row] for row in rows], {
        who: [labels[row] for row in rows] for who, labels in answered.items()
    }


def _labels(answering: TextPredictor, records: Sequence[TextRecord]) -> list[str]:
    return list(answering.predict([record.text for record in records]).labels)


def _names(params: Params, parts: Sequence[Part]) -> tuple[str, ...]:
    # A champion may know labels that today's texts no longer have; its answers there are simply wrong.
    seen = (
        label
        for records, answered in parts
        for column in ([r.label for r in records], *answered.values())
        for label in column
    )
    return tuple(dict.fromkeys([*params.collect.labels, *seen]))


def _pair(records: Sequence[TextRecord], answered: Answered, labels: Sequence[str]) -> PairedPredictions:
    index = {name: number for number, name in enumerate(labels)}
    truth, mine, theirs = (
        [index[label] for label in column]
        for column in ([r.label for r in records], answered["candidate"], answered["champion"])
    )
    return PairedPredictions([r.id for r in records], truth, mine, theirs, [r.group for r in records])
