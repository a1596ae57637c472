"""Look up the champion in the ledger and load it for serving."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Workspace
from pipeline.base.errors import UsageError
from pipeline.base.labels import UNCERTAIN
from pipeline.base.tasks import SINGLE_LABEL, TaskName, answer_form
from pipeline.base.tasks.answers import NONE_APPLIES
from pipeline.inference.load import cores, load_predictor
from pipeline.io import files
from pipeline.io.registry import release_files
from pipeline.io.registry.ledger import Ledger

if TYPE_CHECKING:
    from pipeline.core.model.predictor import Predictions, Predictor

__all__ = ["ChampionSource", "LoadedRelease", "Predictions", "load_champion"]


PLACES = (
    "This release finds entities. The journal keeps a text as the model reads it, so places in the text "
    "that was sent are no truth about it: label texts in a table of your own (`columns.spans`), or those "
    "that were drawn at /labels."
)
WRITTEN = (
    "This release writes texts, and feedback is a label: put what it should have written into a table of "
    "your own (`columns.reference`)."
)
# Under this name texts that were written are counted.
TEXT = "text"


@dataclass(frozen=True)
class LoadedRelease:
    """Hold a release that is loaded and warmed.

    `model_digest` is the SHA-256 of its ONNX model, `folder` its verified copy.
    """

    name: str
    data_version: str
    model_digest: str
    labels: tuple[str, ...]
    predictor: "Predictor"
    folder: Path
    task: TaskName = SINGLE_LABEL

    @property
    def no_feedback(self) -> str:
        """Return why nobody can send a true label for a prediction, "" where people can."""
        if answer_form(self.task).has_places:
            return PLACES
        return WRITTEN if self.is_written else ""

    @property
    def is_written(self) -> bool:
        """Return whether its answers are texts of their own."""
        return answer_form(self.task).is_written

    def counted_as(self, label: str) -> tuple[str, ...]:
        """Return under which labels a prediction is counted: each of its own once."""
        form = answer_form(self.task)
        if form.is_written:
            return (TEXT,)
        if form.one_label or label == UNCERTAIN:
            return (label,)
        return tuple(dict.fromkeys(form.labels_of(label))) or (NONE_APPLIES,)

    def read_answer(self, written: str) -> str | None:
        """Return what somebody wrote as an answer of this release, None where it is none."""
        if answer_form(self.task).one_label:
            return written if written in self.labels else None
        return answer_form(self.task).read(written, self.labels)


class ChampionSource:
    """Find the champion in the ledger and load releases; a predictor uses up to `threads` cores."""

    def __init__(self, workspace: Workspace, *, threads: int) -> None:
        self._workspace = workspace
        self._ledger = Ledger(workspace.ledger)
        self._threads = threads

    def current(self) -> str | None:
        """Return the champion's name, None when there is none. Raises Unreachable when the ledger is down."""
        return self._ledger.champion()

    def load(self, name: str) -> LoadedRelease:
        """Load a release from its verified copy and predict its golden texts once, to warm it up.

        Raises DigestMismatch, InvalidSignature or UnsafeModelFile when the release may not serve.
        """
        record = self._ledger.get(name).record
        folder = release_files.verified_copy(self._workspace, record)
        predictor = load_predictor(folder, threads=self._threads)
        predictor.predict(files.read_json(folder / "golden.json")["texts"])
        return LoadedRelease(
            name,
            record["data_version"],
            record["files"]["model.onnx"],
            predictor.labels,
            predictor,
            folder,
            predictor.task,
        )


def load_champion(workspace: Workspace) -> LoadedRelease:
    """Load the champion once, to predict on every core of this process.

    Raises UsageError when there is none, and what `ChampionSource.load` raises.
    """
    source = ChampionSource(workspace, threads=cores())
    name = source.current()
    if name is None:
        raise UsageError("No release is in service yet. Train one with `tonewatch run`.")
    return source.load(name)
