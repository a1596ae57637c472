"""The local copy of a release: served files only, signed where required, fetched by one process at a time."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import canaries
import entries
import keypairs
import pytest

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, Fault, InvalidSignature, UnsafeModelFile
from pipeline.io import files, locks
from pipeline.io.registry import release_files
from pipeline.io.registry.mlflow_models import ModelRegistry

SERVED = {"golden.json", "model.json", "model.onnx", "tokenizer.json"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return keypairs.key(tmp_path_factory.mktemp("keys"), "ours")


@pytest.fixture
def places(tmp_path: Path, mlflow_uri: str) -> Workspace:
    (tmp_path / "data").mkdir()
    return Workspace(tmp_path, mlflow_uri, "unused")


@pytest.fixture
def signing(places: Workspace, keys: tuple[Path, Path]) -> Workspace:
    return replace(places, signing_key=keys[0], verify_key=keys[1])


def release(places: Workspace, name: str, label: str = "positive") -> dict[str, Any]:
    """Write a candidate, register it, and return the part of its release record that is used here."""
    entry = entries.entry(places.root / "data", {"fine": label}, data_version=name)
    entry = replace(
        entry,
        digest=files.sha256(entry.candidate / "model.onnx"),
        signature=release_files.sign_candidate(places),
    )
    evaluation = files.read_json(entry.evaluation)
    version = ModelRegistry(places.mlflow).register(entry)
    return {
        "release": name,
        "model_version": version,
        "evaluation": evaluation,
        "files": release_files.release_digests(files.folder_digests(entry.candidate), evaluation),
        "signature": entry.signature,
    }


def store(places: Workspace, version: str) -> Path:
    """Return the folder where MLflow stores the files of a version."""
    (folder,) = [
        path.parent
        for path in (places.home / "mlflow-artifacts").rglob("model.onnx")
        if version in _versions(places, path)
    ]
    return folder


def _versions(places: Workspace, path: Path) -> list[str]:
    from pipeline.io.registry import mlflow_tracking

    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        return [
            str(v.version)
            for v in client.search_model_versions("name='tonewatch'")
            if v.source.rpartition("/")[2] in path.parts
        ]


def test_a_copy_holds_only_the_served_files_and_the_evaluation(places: Workspace) -> None:
    document = release(places, "R1")

    assert set(document["files"]) == SERVED | {"evaluation.json"}
    assert {path.name for path in release_files.keep_local_copy(places, document).iterdir()} == SERVED | {
        "evaluation.json"
    }
    assert {path.name for path in store(places, "1").iterdir()} == SERVED


def test_every_kind_of_damage_is_reported_and_repaired(places: Workspace) -> None:
    document = release(places, "R1")
    copy = release_files.keep_local_copy(places, document)
    for damage, message in (
        (
            lambda: (copy / "model.onnx").write_bytes(b"tampered"),
            r"model\.onnx was changed: SHA-256 \w{12}, recorded \w{12}",
        ),
        (lambda: (copy / "golden.json").unlink(), r"golden\.json is missing"),
        (lambda: (copy / "extra.json").write_text("{}"), r"extra\.json does not belong there"),
        (lambda: (copy / "receipt.json").write_text("{}"), r"receipt\.json does not belong there"),
        (lambda: _linked(copy / "model.json"), r"model\.json is a symbolic link"),
    ):
        damage()
        assert not release_files.copy_is_intact(places, document)
        with pytest.raises(DigestMismatch, match=f"The local copy of R1 is not intact: .*{message}"):
            release_files.check_copy(places, document)
        assert release_files.verified_copy(places, document) == copy  # fetched again
        release_files.check_copy(places, document)


def _linked(path: Path) -> None:
    path.rename(path.with_name(".aside"))
    shutil.move(path.with_name(".aside"), path.parent.parent / "aside.json")
    path.symlink_to(path.parent.parent / "aside.json")


def test_a_pickle_in_mlflows_store_is_rejected_even_with_a_recorded_digest(
    places: Workspace, tmp_path: Path
) -> None:
    document = release(places, "R1")
    poisoned = store(places, "1") / "model.json"
    for kind in canaries.KINDS:
        poisoned.write_bytes(kind(tmp_path / "canary"))
        document["files"]["model.json"] = files.sha256(poisoned)

        with pytest.raises(Fault, match=r"(?s)R1 cannot be used\. .*model\.json may not be part of a model"):
            release_files.verified_copy(places, document)

    assert not (places.releases / "R1").exists()
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["../../params.yaml", "/etc/passwd", "..%2fx.json", "run.py"])
def test_a_file_name_with_a_path_is_rejected(name: str, tmp_path: Path) -> None:
    places = Workspace(tmp_path, "unused", "unused")

    for use in (release_files.keep_local_copy, release_files.verified_copy, release_files.check_copy):
        with pytest.raises(UnsafeModelFile, match="may not be part of a model"):
            use(places, {"release": "R1", "model_version": "1", "evaluation": {}, "files": {name: "0" * 64}})
    assert not places.releases.exists()


def test_a_signed_release_is_used_and_its_signature_is_in_mlflow(signing: Workspace) -> None:
    from pipeline.io.registry import mlflow_tracking

    document = release(signing, "R1")

    release_files.keep_local_copy(signing, document)
    assert release_files.verified_copy(signing, document) == signing.releases / "R1"
    assert release_files.sign_candidate(signing) == document["signature"]
    with mlflow_tracking.mlflow_at(signing.mlflow) as client:
        import mlflow

        logged = mlflow.artifacts.load_text(
            f"runs:/{client.get_model_version('tonewatch', '1').run_id}/signature/model.sig"
        )
    assert logged == document["signature"]


def test_an_unsigned_registration_is_signed_when_it_is_repeated(
    places: Workspace, signing: Workspace
) -> None:
    assert release(places, "R1")["signature"] is None

    again = release(signing, "R2")

    assert again["model_version"] == "1"
    assert json.loads(again["signature"])["verificationMaterial"]["publicKey"][
        "hint"
    ] == release_files.signer_fingerprint(signing)
    assert list(store(signing, "1").parents[3].rglob("model.sig"))


def test_every_use_requires_a_signature_with_a_verification_key(signing: Workspace, tmp_path: Path) -> None:
    document, other = release(signing, "R1"), keypairs.key(tmp_path, "theirs")
    release_files.keep_local_copy(signing, document)
    for places, changed, message in (
        (signing, {"signature": None}, "R1 is not signed, but TONEWATCH_VERIFY_KEY requires a signature"),
        (
            replace(signing, verify_key=other[1]),
            {},
            r"R1 cannot be used: The model is signed with another key",
        ),
        (
            signing,
            {"signature": document["signature"].replace('"sig":"ME', '"sig":"MF')},
            "was modified, or was not made with",
        ),
        (signing, {"signature": "{}"}, "signature is unreadable"),
    ):
        for use in (release_files.keep_local_copy, release_files.verified_copy, release_files.check_copy):
            with pytest.raises(InvalidSignature, match=message):
                use(places, {**document, **changed})
        assert not release_files.copy_is_intact(places, {**document, **changed})


def test_an_older_signed_model_cannot_replace_a_newer_release(signing: Workspace) -> None:
    old, new = release(signing, "R1", "positive"), release(signing, "R2", "negative")
    served_old = {path.name: path.read_bytes() for path in store(signing, "1").iterdir()}
    release_files.keep_local_copy(signing, new)
    for folder in (signing.releases / "R2", store(signing, "2")):
        for name, content in served_old.items():
            (folder / name).write_bytes(content)

    for record in (new, {**new, "signature": old["signature"]}):
        with pytest.raises(
            DigestMismatch,
            match=r"(?s)R2 cannot be used\. Its local copy: .* was changed: .* in MLflow: .* was changed",
        ):
            release_files.verified_copy(signing, record)
    with pytest.raises(InvalidSignature, match=r"golden\.json differs from the signed file"):
        # The record is edited too, except for its signature.
        release_files.verified_copy(signing, {**new, "files": old["files"]})


FETCH = """
import json, sys
from pathlib import Path
from pipeline.base.config import Workspace
from pipeline.io.registry.mlflow_models import ModelRegistry
from pipeline.io.registry import release_files

root, uri, record = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
fetch = ModelRegistry.fetch
def printing_fetch(self, *arguments):
    print("fetched", flush=True)
    return fetch(self, *arguments)
ModelRegistry.fetch = printing_fetch
print("started", flush=True)
print(release_files.verified_copy(Workspace(root, uri, "unused"), record).name, flush=True)
"""


def test_two_processes_fetch_a_missing_copy_once(
    places: Workspace,
) -> None:
    document = release(places, "R1")
    command = [sys.executable, "-c", FETCH, str(places.root), places.mlflow, json.dumps(document)]
    with locks.folder_lock(places.releases / "R1"):
        processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert [process.stdout.readline() for process in processes if process.stdout] == [
            "started\n",
            "started\n",
        ]
        time.sleep(0.3)  # until both wait

    outputs = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(out for out, _ in outputs) == ["R1\n", "fetched\nR1\n"]
    assert [path.name for path in places.releases.iterdir() if not path.name.endswith(".lock")] == ["R1"]


def test_threads_that_write_the_same_folder_take_turns(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with locks.folder_lock(tmp_path / "deep" / "R1"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert most == [1] * 8


def test_a_folder_that_stays_locked_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.1)
    with (
        locks.folder_lock(tmp_path / "R1"),
        pytest.raises(Fault, match=r"Another process has been writing .*R1 for"),
        locks.folder_lock(tmp_path / "R1"),
    ):
        pass
