"""The release that fine-tuning goes on from, where `finetune.start` of params.yaml is `champion`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Params, Workspace
from pipeline.base.config.parsing import parse_params
from pipeline.base.documents import ReleaseRecord
from pipeline.base.errors import ConfigError, TonewatchError
from pipeline.base.tasks import SINGLE_LABEL
from pipeline.io import files
from pipeline.io.models.release_classifier import release_classifier
from pipeline.io.registry.ledger import Ledger
from pipeline.io.versioning import data_versions

if TYPE_CHECKING:
    from torch import Tensor

CHAMPION = "champion"
FROM_ENCODER = "Write `start: encoder` under `finetune` in params.yaml"


@dataclass(frozen=True)
class ChampionStart:
    """Hold a release that a training goes on from: the folder of its classifier, and what it learnt from.

    `learnt` yields text and label of what trained or selected it, those of its data version.
    """

    release: str
    folder: Path
    data_version: str
    learnt: Iterable[tuple[str, str]]


def start_identity(workspace: Workspace, params: Params) -> str:
    """Return the digest of the weights that fine-tuning goes on from, and what they learnt from.

    Empty where it starts from an encoder. Raises ConfigError where no release can be gone on from.
    """
    if params.finetune.start != CHAMPION:
        return ""
    release = _starting_release(workspace, params)
    return f"{release['teacher']} {release['data_version']}"


def open_start(workspace: Workspace, params: Params) -> ChampionStart | None:
    """Return the release that fine-tuning goes on from, None where it starts from an encoder.

    Raises ConfigError where no release can be gone on from, UsageError where its classifier is gone.
    """
    if params.finetune.start != CHAMPION:
        return None
    release = _starting_release(workspace, params)
    folder = release_classifier(workspace, release, release["teacher"], otherwise=f"{FROM_ENCODER}.")
    version = release["data_version"]
    # Read when they are asked for.
    learnt = data_versions.stream_split(workspace.root, version, "train", "valid", columns=("text", "label"))
    return ChampionStart(release["release"], folder, version, learnt)


def require_numbers(start: ChampionStart, weights: "Mapping[str, Tensor]") -> None:
    """Raise ConfigError where no training could go on from a release, as a weight of it is no number."""
    if wrong := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise ConfigError(
            f"finetune.start is `{CHAMPION}`, and {start.release} holds what is no finite number in "
            f"{wrong[0]}. {FROM_ENCODER}, or type: tonewatch release rollback"
        )


def _starting_release(workspace: Workspace, params: Params) -> ReleaseRecord:
    """Return the champion, or where that is made of today's texts the release that it went on from.

    So a second run with nothing changed starts where the first one did, and is skipped.
    """
    ledger, today = Ledger(workspace.ledger), _todays_versions(workspace)
    name = ledger.champion()
    if name is None:
        raise ConfigError(
            f"finetune.start is `{CHAMPION}`, and no release is in service yet. {FROM_ENCODER} for the first."
        )
    release = ledger.get(name).record
    while release["data_version"] in today and _went_on(release) and release["champion"]:
        release = ledger.get(release["champion"]).record
    _require_alike(release, params)
    return release


def _todays_versions(workspace: Workspace) -> set[str]:
    """Return the names of the data versions with the texts of the present split."""
    try:
        fingerprint = files.read_receipt(workspace.root / "data" / "splits").notes.get("fingerprint")
        versions = data_versions.list_versions(workspace.root)
    except (TonewatchError, OSError):
        return set()
    return {version.name for version in versions if version.fingerprint == fingerprint}


def _went_on(release: ReleaseRecord) -> bool:
    try:
        return parse_params(release["params"]).finetune.start == CHAMPION
    except ConfigError:
        return False


def _require_alike(release: ReleaseRecord, params: Params) -> None:
    """Raise ConfigError where its encoder or its head is not the one that params.yaml asks for."""
    name, evaluation = release["release"], release["evaluation"]
    asked = _settings(params.task, params.collect.labels, params)
    its = _settings(
        evaluation.get("task", SINGLE_LABEL), evaluation["labels"], parse_params(release["params"])
    )
    for key, value in asked.items():
        if its.get(key) != value:
            raise ConfigError(
                f"finetune.start is `{CHAMPION}`, and {name} has another {key}: {its.get(key)}, where "
                f"params.yaml says {value}. {FROM_ENCODER}, or give {key} the value of {name}."
            )


def _settings(task: str, labels: Sequence[str], params: Params) -> dict[str, object]:
    """Return by key what a classifier depends on; the settings of other starts do not count."""
    values = params.encoder.model_dump(mode="json")
    keys = ("start", "max_tokens", "long_texts", params.encoder.start)
    return {
        "task": task,
        "collect.labels": list(labels),
        **{f"encoder.{key}": values[key] for key in keys},
        "encoder.answer_tokens": params.answer_tokens,
    }
