"""Data versions in DVC remotes: a folder and a real S3; changed, missing and unreachable copies."""

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from seaweed import KEY, SECRET, Seaweed
from text_records import text_record

from pipeline.base.config import Workspace
from pipeline.base.errors import DigestMismatch, Fault, UsageError
from pipeline.base.records import SPLITS, Receipt
from pipeline.io import files, parquet
from pipeline.io.cache_links import md5
from pipeline.io.remotes.pending import read_pending
from pipeline.io.remotes.settings import remote_names, unverified_remotes
from pipeline.io.remotes.store import RemoteStore
from pipeline.io.remotes.transfer import aside_folder, with_listed
from pipeline.io.versioning import data_branch, data_versions
from pipeline.io.versioning.dvc_cache import DvcCache
from pipeline.operations.consistency import check_remotes
from pipeline.operations.data import remotes

TABLE = "data/splits/train.parquet"


def split_of(root: Path, numbers: range) -> None:
    """Write splits with these texts, and keep them as a data version."""
    records = [text_record(number, text=f"the text number {number} of this week") for number in numbers]
    with files.staging_dir(root / "data" / "splits") as staging:
        for split in SPLITS:
            parquet.write_texts(staging / f"{split}.parquet", records if split == "train" else [])
        counts = dict.fromkeys(SPLITS, 0) | {"train": len(records)}
        fingerprint = parquet.split_fingerprint(("train", one) for one in records)
        files.write_receipt(staging, Receipt("split", counts=counts, notes={"fingerprint": fingerprint}))
    DvcCache(root).commit("split")
    data_versions.keep_data_version(root, "a test")


@pytest.fixture(scope="module")
def whole(_filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(shutil.copytree(_filled, tmp_path_factory.mktemp("whole") / "workspace", symlinks=True))
    split_of(root, range(40))
    return root


@pytest.fixture
def places(whole: Path, tmp_path: Path) -> Workspace:
    return Workspace.of(Path(shutil.copytree(whole, tmp_path / "workspace", symlinks=True)), {})


@pytest.fixture
def folder(places: Workspace, tmp_path: Path) -> Path:
    """Make a folder the remote of the workspace."""
    assert remotes.use_remote(places, str(tmp_path / "remote"), name="store", endpoint=None) == ("v1",)
    return tmp_path / "remote"


def objects(places: Workspace) -> list[str]:
    with DvcCache(places.root).opened() as repo:
        digests = remotes.digests_of(places.root, remotes.whole_versions(places.root))
        return list(with_listed(repo.cache.local, digests))


def cached(places: Workspace, digest: str) -> Path:
    return places.root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]


def stored(folder: Path, digest: str) -> Path:
    return folder / "files" / "md5" / digest[:2] / digest[2:]


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


FAULTS: dict[str, Callable[[bytes], bytes | None]] = {
    "a flipped byte": flipped,
    "a truncated object": lambda content: content[: len(content) // 2],
    "an empty object": lambda _: b"",
    "a missing object": lambda _: None,
}


def damage(path: Path, fault: Callable[[bytes], bytes | None]) -> None:
    content = fault(path.read_bytes())
    path.chmod(0o644)
    path.unlink() if content is None else path.write_bytes(content)


def test_a_new_remote_is_verified_by_plain_dvc_too_and_holds_every_version(
    places: Workspace, folder: Path
) -> None:
    assert (remote_names(places.root), unverified_remotes(places.root)) == (("store",), ())
    digests = objects(places)
    assert len(digests) > 8
    for digest in digests:
        assert md5(stored(folder, digest)) == digest.removesuffix(".dir")
    assert check_remotes(places).ok


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_remote_is_named_by_doctor_and_repaired_from_the_cache(
    places: Workspace, folder: Path, fault: Callable[[bytes], bytes | None]
) -> None:
    digests = objects(places)
    of_table = md5(places.root / TABLE)
    listing = next(one for one in digests if one.endswith(".dir"))
    for digest in (of_table, listing):
        damage(stored(folder, digest), fault)

    assert "2 objects of the newest data version are" in check_remotes(places).message
    report = remotes.verify_data(places)

    assert {one.partition(" ")[0] for one in report.repaired} == {of_table, listing}
    assert check_remotes(places).ok
    assert len(list((folder / "set-aside").glob("*"))) == (0 if fault(b"x" * 9) is None else 2)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_in_the_cache_is_repaired_from_the_remote(
    places: Workspace, folder: Path, fault: Callable[[bytes], bytes | None]
) -> None:
    of_table = md5(places.root / TABLE)
    damage(cached(places, of_table), fault)
    shutil.rmtree(places.root / "data" / "splits")

    data_branch.restore(places.root, "v1")

    assert md5(places.root / TABLE) == of_table
    assert len(list(aside_folder(places.root).glob("*"))) == (0 if fault(b"x" * 9) is None else 1)


def test_a_changed_copy_never_becomes_an_object_of_the_cache(places: Workspace, folder: Path) -> None:
    of_table = md5(places.root / TABLE)
    damage(stored(folder, of_table), flipped)
    cached(places, of_table).unlink()
    shutil.rmtree(places.root / "data" / "splits")
    before = (places.root / "dvc.lock").read_bytes()

    with pytest.raises(Fault, match=r"remote store was changed: .* was set aside as") as raised:
        data_branch.restore(places.root, "v1")

    assert "This command changed nothing" in str(raised.value)
    assert not cached(places, of_table).exists()
    assert (places.root / "dvc.lock").read_bytes() == before
    assert not stored(folder, of_table).exists()
    with pytest.raises(DigestMismatch, match="No good copy is left"):
        remotes.verify_data(places)


def test_a_second_remote_provides_what_the_first_one_spoiled(
    places: Workspace, folder: Path, tmp_path: Path
) -> None:
    of_table = md5(places.root / TABLE)
    shutil.copytree(folder, tmp_path / "second")
    remotes.use_remote(places, str(tmp_path / "second"), name="second", endpoint=None)
    damage(stored(tmp_path / "second", of_table), flipped)
    damage(cached(places, of_table), flipped)

    report = remotes.verify_data(places)

    assert report.repaired == (f"{of_table} in the cache", f"{of_table} in the remote second")
    assert md5(cached(places, of_table)) == of_table


def test_a_changed_object_of_the_cache_is_not_pushed(places: Workspace, tmp_path: Path) -> None:
    damage(cached(places, md5(places.root / TABLE)), flipped)

    with pytest.raises(Fault, match=r"is set, and not used yet.*changed on the disk"):
        remotes.use_remote(places, str(tmp_path / "remote"), name="store", endpoint=None)


@pytest.mark.slow
def test_a_push_that_fails_is_a_warning_until_one_succeeds(places: Workspace, folder: Path) -> None:
    shutil.move(folder, folder.with_name("elsewhere"))
    folder.write_text("a file stands where the folder was")
    split_of(places.root, range(60))

    assert not remotes.push_version(places.root)
    assert "The remote store lacks data versions since" in check_remotes(places).message
    with pytest.raises(Fault, match="store cannot be reached"):
        remotes.verify_data(places)

    folder.unlink()
    shutil.move(folder.with_name("elsewhere"), folder)
    remotes.push_pending(places.root)
    assert read_pending(places.root) == {}
    assert check_remotes(places).ok
    assert stored(folder, md5(places.root / TABLE)).is_file()


@pytest.mark.parametrize("arguments", [("", "store"), ("/tmp/x\ny", "store"), ("/tmp/x", "a b"), ("/x", "")])
def test_what_can_be_no_remote_is_refused(places: Workspace, arguments: tuple[str, str]) -> None:
    address, name = arguments
    with pytest.raises(UsageError):
        remotes.use_remote(places, address, name=name, endpoint=None)
    assert remote_names(places.root) == ()


@contextlib.contextmanager
def bucket(places: Workspace, *, secret: str = SECRET) -> Iterator[str]:
    """Write the credentials of S3 where DVC reads them."""
    address = f"s3://tonewatch-{places.root.parent.name.lower().replace('_', '-')[-30:]}"
    config = f"    url = {address}/data\n    access_key_id = {KEY}\n    secret_access_key = {secret}\n"
    (places.root / ".dvc" / "config.local").write_text(f"['remote \"s3\"']\n{config}")
    yield address


def make_bucket(seaweed: Seaweed, name: str) -> None:
    import s3fs

    client = {"endpoint_url": seaweed.endpoint}
    s3fs.S3FileSystem(key=KEY, secret=SECRET, client_kwargs=client).mkdir(name.removeprefix("s3://"))


def test_s3_is_pushed_to_verified_repaired_and_fetched_from(places: Workspace, seaweed: Seaweed) -> None:
    of_table = md5(places.root / TABLE)
    with bucket(places) as address:
        make_bucket(seaweed, address)
        remotes.use_remote(places, f"{address}/data", name="s3", endpoint=seaweed.endpoint)
        assert check_remotes(places).ok

        with DvcCache(places.root).opened() as repo:
            spoiled = places.root / "spoiled"
            spoiled.write_bytes(flipped(cached(places, of_table).read_bytes()))
            RemoteStore(repo, "s3").put(spoiled, of_table)
        assert "1 objects of the newest data version are changed" in check_remotes(places).message
        assert remotes.verify_data(places).repaired == (f"{of_table} in the remote s3",)

        shutil.rmtree(places.root / ".dvc" / "cache" / "files")
        shutil.rmtree(places.root / "data" / "splits")
        data_branch.restore(places.root, "v1")
        assert md5(places.root / TABLE) == of_table


@pytest.mark.slow
def test_s3_with_wrong_credentials_or_gone_is_said_and_nothing_is_lost(
    places: Workspace, seaweed: Seaweed
) -> None:
    with bucket(places, secret="wrong") as address:
        make_bucket(seaweed, address)
        with pytest.raises(Fault, match="refuses access") as raised:
            remotes.use_remote(places, f"{address}/data", name="s3", endpoint=seaweed.endpoint)
        assert "--local s3 access_key_id" in str(raised.value)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(Fault, match="cannot be reached"):
        remotes.use_remote(places, f"{address}/data", name="s3", endpoint=f"http://127.0.0.1:{port}")
    assert [one.name for one in remotes.whole_versions(places.root)] == ["v1"]


@pytest.mark.needs("mount")
def test_a_full_remote_is_said_and_keeps_no_half_object(places: Workspace, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", full], check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        with pytest.raises(Fault, match="is full"):
            remotes.use_remote(places, str(full), name="store", endpoint=None)
        for path in full.rglob("*"):
            if path.is_file() and len(path.name) == 30:
                assert md5(path) == path.parent.name + path.name
    finally:
        subprocess.run(["umount", full], check=True)
