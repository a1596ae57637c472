"""The embedded MLflow of a moved or copied workspace works where it is now, and there alone."""

import dataclasses
import shutil
import sqlite3
from pathlib import Path

import entries
import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import Unreachable
from pipeline.io import files
from pipeline.io.registry import mlflow_tracking
from pipeline.io.registry.mlflow_models import ModelRegistration
from pipeline.io.registry.mlflow_places import follow_move
from pipeline.io.registry.open_registry import open_registry

NAMES = ["plain", "two words", "Größe", "50%25", "a#b", "q'uote", "日本"]
SERVED = ["model.onnx", "tokenizer.json"]


@pytest.fixture
def entry(tmp_path: Path) -> ModelRegistration:
    return entries.entry(tmp_path, {"so-so": "no", "good": "yes"}, labels=["no", "yes"])


def made(root: Path, empty: str) -> Workspace:
    """Return a workspace with the empty MLflow of the fixture `mlflow_uri`."""
    (root / ".tonewatch").mkdir(parents=True)
    shutil.copyfile(empty.removeprefix("sqlite:///"), root / ".tonewatch" / "mlflow.db")
    return Workspace.of(root, {})


def places_stored(root: Path) -> list[str]:
    """Return every text in the database that mentions a folder of artifacts."""
    with sqlite3.connect(root / ".tonewatch" / "mlflow.db") as database:
        return [line for line in database.iterdump() if "mlflow-artifacts" in line]


def test_models_load_and_new_ones_are_written_at_the_new_place(
    tmp_path: Path, mlflow_uri: str, entry: ModelRegistration
) -> None:
    place = made(tmp_path / "before", mlflow_uri)
    open_registry(place).register(entry)
    for name in NAMES:
        root = place.root.rename(tmp_path / name)
        place = Workspace.of(root, {})
        (root / "fetched").mkdir()
        open_registry(place).fetch("1", root / "fetched", SERVED)
        assert files.sha256(root / "fetched" / "model.onnx") == files.sha256(entry.candidate / "model.onnx")
        shutil.rmtree(root / "fetched")
    open_registry(place).register(dataclasses.replace(entry, digest="e" * 64))

    assert {path.name for path in tmp_path.iterdir()} & {"before", *NAMES} == {NAMES[-1]}
    here = (place.home / "mlflow-artifacts").as_uri()
    assert all(here in line for line in places_stored(place.root))
    assert len(list((place.home / "mlflow-artifacts").rglob("model.onnx"))) == 2


def test_a_copy_touches_nothing_of_the_original(
    tmp_path: Path, mlflow_uri: str, entry: ModelRegistration
) -> None:
    original = made(tmp_path / "original", mlflow_uri)
    open_registry(original).register(entry)
    digests = files.folder_digests(original.root)
    copy = Workspace.of(Path(shutil.copytree(original.root, tmp_path / "copy")), {})
    open_registry(copy).register(dataclasses.replace(entry, digest="e" * 64))

    assert files.folder_digests(original.root) == digests
    assert len(list((copy.home / "mlflow-artifacts").rglob("model.onnx"))) == 2


def test_a_link_to_the_workspace_changes_nothing(
    tmp_path: Path, mlflow_uri: str, entry: ModelRegistration
) -> None:
    place = made(tmp_path / "real", mlflow_uri)
    open_registry(place).register(entry)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert follow_move(tmp_path / "link" / ".tonewatch" / "mlflow.db") == 0


def test_places_that_are_not_beside_the_database_stay(tmp_path: Path, mlflow_uri: str) -> None:
    place = made(tmp_path / "before", mlflow_uri)
    with mlflow_tracking.mlflow_at(place.mlflow) as client:
        mlflow_tracking.ensure_experiment(client, place.mlflow)
        client.create_experiment("bucket", artifact_location="s3://models/mlflow-artifacts")
        client.create_experiment("other", artifact_location=(tmp_path / "beforehand").as_uri())
    place.root.rename(tmp_path / "after")

    assert follow_move(tmp_path / "after" / ".tonewatch" / "mlflow.db") == 1
    with sqlite3.connect(tmp_path / "after" / ".tonewatch" / "mlflow.db") as database:
        rows = dict(database.execute("SELECT name, artifact_location FROM experiments"))
    assert rows["bucket"] == "s3://models/mlflow-artifacts"
    assert rows["other"] == (tmp_path / "beforehand").as_uri()
    assert rows["tonewatch"] == (tmp_path / "after" / ".tonewatch" / "mlflow-artifacts").as_uri()


def test_a_workspace_without_mlflow_has_nothing_to_follow(tmp_path: Path) -> None:
    assert follow_move(tmp_path / "mlflow.db") == 0
    sqlite3.connect(tmp_path / "mlflow.db").close()
    assert follow_move(tmp_path / "mlflow.db") == 0


def test_a_damaged_database_is_a_fault_that_says_so(tmp_path: Path) -> None:
    database = tmp_path / ".tonewatch" / "mlflow.db"
    database.parent.mkdir()
    database.write_bytes(b"not a database, but longer than the header of one " * 30)

    with pytest.raises(Unreachable, match="cannot be read"):
        follow_move(database)
