"""The local copy of a release: made of the served files alone, signed where it must be, and fetched by one process at a time."""

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


def release(places: Workspace, name: str, says: str = "positive") -> dict[str, Any]:
    """Make a candidate, register it, and give what the ledger would hold of its release."""
    entry = entries.entry(places.root / "data", {"fine": says}, data_version=name)
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
    """Give the folder where MLflow keeps the files of a version."""
    (found,) = [
        path.parent
        for path in (places.home / "mlflow-artifacts").rglob("model.onnx")
        if version in _versions(places, path)
    ]
    return found


def _versions(places: Workspace, path: Path) -> list[str]:
    from pipeline.io.registry import mlflow_tracking

    with mlflow_tracking.mlflow_at(places.mlflow) as client:
        return [
            str(v.version)
            for v in client.search_model_versions("name='tonewatch'")
            if v.source.rpartition("/")[2] in path.parts
        ]


def test_a_copy_holds_the_served_files_and_the_evaluation_alone(places: Workspace) -> None:
    document = release(places, "R1")

    assert set(document["files"]) == SERVED | {"evaluation.json"}
    assert {path.name for path in release_files.keep_local_copy(places, document).iterdir()} == SERVED | {
        "evaluation.json"
    }
    assert {path.name for path in store(places, "1").iterdir()} == SERVED


def test_each_way_to_spoil_a_copy_is_told_in_its_own_words(places: Workspace) -> None:
    document = release(places, "R1")
    copy = release_files.keep_local_copy(places, document)
    for spoil, why in (
        (
            lambda: (copy / "model.onnx").write_bytes(b"tampered"),
            r"model\.onnx was changed: SHA-256 \w{12}, recorded \w{12}",
        ),
        (lambda: (copy / "golden.json").unlink(), r"golden\.json is missing"),
        (lambda: (copy / "extra.json").write_text("{}"), r"extra\.json does not belong there"),
        (lambda: (copy / "receipt.json").write_text("{}"), r"receipt\.json does not belong there"),
        (lambda: _linked(copy / "model.json"), r"model\.json is a symbolic link"),
    ):
        spoil()
        assert not release_files.copy_is_intact(places, document)
        with pytest.raises(DigestMismatch, match=f"The local copy of R1 does not hold: .*{why}"):
            release_files.check_copy(places, document)
        assert release_files.verified_copy(places, document) == copy  # fetched again
        release_files.check_copy(places, document)


def _linked(path: Path) -> None:
    path.rename(path.with_name(".aside"))
    shutil.move(path.with_name(".aside"), path.parent.parent / "aside.json")
    path.symlink_to(path.parent.parent / "aside.json")


def test_a_pickle_in_mlflows_store_is_refused_even_where_its_digest_was_recorded(
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
def test_a_name_in_a_record_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    places = Workspace(tmp_path, "unused", "unused")

    for use in (release_files.keep_local_copy, release_files.verified_copy, release_files.check_copy):
        with pytest.raises(UnsafeModelFile, match="may not be part of a model"):
            use(places, {"release": "R1", "model_version": "1", "evaluation": {}, "files": {name: "0" * 64}})
    assert not places.releases.exists()


def test_a_signed_release_is_used_and_its_signature_lies_in_mlflow(signing: Workspace) -> None:
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


def test_what_was_registered_before_there_was_a_key_is_signed_when_it_comes_again(
    places: Workspace, signing: Workspace
) -> None:
    assert release(places, "R1")["signature"] is None

    again = release(signing, "R2")

    assert again["model_version"] == "1"
    assert json.loads(again["signature"])["verificationMaterial"]["publicKey"][
        "hint"
    ] == release_files.signer_fingerprint(signing)
    assert list(store(signing, "1").parents[3].rglob("model.sig"))


def test_every_use_asks_for_a_signature_once_a_key_is_configured(signing: Workspace, tmp_path: Path) -> None:
    document, other = release(signing, "R1"), keypairs.key(tmp_path, "theirs")
    release_files.keep_local_copy(signing, document)
    for places, changed, why in (
        (signing, {"signature": None}, "R1 is not signed, and TONEWATCH_VERIFY_KEY asks for a signature"),
        (
            replace(signing, verify_key=other[1]),
            {},
            r"R1 cannot be used: The model is signed with another key",
        ),
        (
            signing,
            {"signature": document["signature"].replace('"sig":"ME', '"sig":"MF')},
            "was changed after it was made",
        ),
        (signing, {"signature": "{}"}, "cannot be read as one"),
    ):
        for use in (release_files.keep_local_copy, release_files.verified_copy, release_files.check_copy):
            with pytest.raises(InvalidSignature, match=why):
                use(places, {**document, **changed})
        assert not release_files.copy_is_intact(places, {**document, **changed})


def test_an_old_signed_model_cannot_stand_in_for_a_newer_release(signing: Workspace) -> None:
    old, new = release(signing, "R1", "positive"), release(signing, "R2", "negative")
    served_old = {path.name: path.read_bytes() for path in store(signing, "1").iterdir()}
    release_files.keep_local_copy(signing, new)
    for folder in (signing.releases / "R2", store(signing, "2")):
        for name, content in served_old.items():
            (folder / name).write_bytes(content)

    for offered in (new, {**new, "signature": old["signature"]}):
        with pytest.raises(
            DigestMismatch,
            match=r"(?s)R2 cannot be used\. Its local copy: .* was changed: .* Its copy in MLflow: .* was changed",
        ):
            release_files.verified_copy(signing, offered)
    with pytest.raises(InvalidSignature, match=r"golden\.json is not the one that was signed"):
        release_files.verified_copy(
            signing, {**new, "files": old["files"]}
        )  # the record edited too, but for the signature


FETCH = """
import json, sys
from pathlib import Path
from pipeline.base.config import Places
from pipeline.io.registry.mlflow_models import Models
from pipeline.io.registry import release_files as copies

root, uri, document = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
fetch = Models.fetch
def told(self, *arguments):
    print("fetched", flush=True)
    return fetch(self, *arguments)
Models.fetch = told
print("began", flush=True)
print(copies.verified(Places(root, uri, "unused"), document).name, flush=True)
"""


def test_two_processes_that_miss_the_same_copy_at_once_fetch_it_once_and_both_get_it(
    places: Workspace,
) -> None:
    document = release(places, "R1")
    command = [sys.executable, "-c", FETCH, str(places.root), places.mlflow, json.dumps(document)]
    with locks.folder_lock(places.releases / "R1"):
        began = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        assert [process.stdout.readline() for process in began if process.stdout] == ["began\n", "began\n"]
        time.sleep(0.3)  # until both wait

    said = [process.communicate(timeout=60) for process in began]

    assert [process.returncode for process in began] == [0, 0], said
    assert sorted(out for out, _ in said) == ["R1\n", "fetched\nR1\n"]
    assert [path.name for path in places.releases.iterdir() if not path.name.endswith(".lock")] == ["R1"]


def test_threads_that_make_the_same_folder_take_turns(tmp_path: Path) -> None:
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


def test_a_folder_that_is_never_let_go_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.1)
    with (
        locks.folder_lock(tmp_path / "R1"),
        pytest.raises(Fault, match=r"Another process has been making .*R1 for"),
        locks.folder_lock(tmp_path / "R1"),
    ):
        pass
