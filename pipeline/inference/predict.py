"""Predict labels of texts with the champion."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.tasks import reads_targets
from pipeline.base.tasks.targets import with_target
from pipeline.inference.champion import LoadedRelease, load_champion
from pipeline.inference.prediction import Prediction, PredictionItems, items_of, prediction_of
from pipeline.io.tables.formats import table_format


class PredictionRecord(PredictionItems):
    """The prediction for one text, and the release and data version that it comes from."""

    label: str
    best: str
    uncertain: bool
    cut: bool
    probabilities: dict[str, float]
    release: str
    data_version: str


@dataclass(frozen=True)
class ChampionPredictions:
    """Hold the predictions for texts in their order, and the release that made them.

    The model reads `max_tokens` tokens of a text at once; `cut` says of which texts it read no more.
    """

    release: str
    data_version: str
    max_tokens: int
    predictions: tuple[Prediction, ...]
    items: tuple[PredictionItems, ...]

    def records(self) -> list[PredictionRecord]:
        """Return one record per text."""
        return [
            {
                "label": one.label,
                "best": one.best,
                "uncertain": one.uncertain,
                "cut": one.cut,
                "probabilities": one.probabilities,
                "release": self.release,
                "data_version": self.data_version,
                **items,
            }
            for one, items in zip(self.predictions, self.items, strict=True)
        ]


def predict(workspace: Workspace, texts: Sequence[str], target: str | None = None) -> ChampionPredictions:
    """Label texts with the champion, loaded from its verified local copy; `target` is what they speak of.

    Raises UsageError when there is no text, a text is not UTF-8, there is no champion, or a target is missing
    or not asked for.
    """
    require_texts(texts)
    release = load_champion(workspace)
    predictions = release.predictor.predict(about(texts, target, release))
    rows = tuple(prediction_of(predictions, row, labels=release.labels) for row in range(len(texts)))
    return ChampionPredictions(
        release.name,
        release.data_version,
        release.predictor.max_tokens,
        rows,
        tuple(items_of(row.best, text, release.task) for row, text in zip(rows, texts, strict=True)),
    )


def about(texts: Sequence[str], target: str | None, release: LoadedRelease) -> Sequence[str]:
    """Return texts with the target that all of them speak of, where a release labels targets.

    Raises UsageError where it labels targets and there is none, or the other way round.
    """
    if not reads_targets(release.task):
        if target is not None:
            raise UsageError(
                f"{release.name} labels texts as a whole (task {release.task}). Leave out `--target`."
            )
        return texts
    if not (target or "").strip():
        raise UsageError(
            f"{release.name} labels a target in each text. Name it with `--target`, as in "
            '`tonewatch predict "the soup was cold" --target soup`; for a table add `--out scored.csv`.'
        )
    return [with_target(text, target or "") for text in texts]


def require_texts(texts: Sequence[str]) -> None:
    """Raise UsageError when there is no text, or one is not UTF-8."""
    if not texts:
        raise UsageError(
            'There is no text to label. Type `tonewatch predict "a text"`, or name a file with `--file`.'
        )
    for number, text in enumerate(texts, start=1):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"Text {number} is not UTF-8. Set your terminal to UTF-8, or use `--file`."
            ) from None


def read_lines(path: Path, standard_input: BinaryIO) -> list[str]:
    """Read one text per line from a file, or from standard input for `-`; skip empty lines.

    Raises UsageError when the file is missing, not UTF-8 or a table.
    """
    if table_format(path):
        raise UsageError(
            f"{path} is a table. Name where to write it with its predictions: "
            f"`tonewatch predict --file {path} --out scored.csv`."
        )
    try:
        content = standard_input.read() if str(path) == "-" else path.read_bytes()
        # Only a newline ends a text: `splitlines` would also cut at form feeds and at U+2028.
        return [line.rstrip("\r") for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}). Name a file with one text per line."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8 and try again."
        ) from error
