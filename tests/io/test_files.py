"""A folder is whole or absent, and is read only after it was checked against its receipt."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.base.errors import DigestMismatch, Fault
from pipeline.base.records import Receipt
from pipeline.io import files


def write(out: Path, content: str) -> Receipt:
    with files.staging_dir(out) as staging:
        (staging / "a.txt").write_text(content)
        return files.write_receipt(staging, Receipt("clean", counts={"kept": 1}))


def test_a_finished_folder_can_be_trusted(tmp_path: Path) -> None:
    receipt = write(tmp_path / "out", "one")

    assert files.verified_receipt(tmp_path / "out", made_by="clean") == receipt
    assert list(receipt.files) == ["a.txt"]


def test_equal_work_leaves_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, "one")

    assert (tmp_path / "a" / "receipt.json").read_bytes() == (tmp_path / "b" / "receipt.json").read_bytes()


def test_a_killed_writer_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "out", "one")

    def killed() -> None:
        with files.staging_dir(tmp_path / "out") as staging:
            (staging / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert (tmp_path / "out" / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_staging_of_killed_writers_is_removed_and_a_half_renamed_folder_restored(tmp_path: Path) -> None:
    write(tmp_path / ".out.old-x", "one")
    (tmp_path / ".out.staging-y").mkdir()
    (tmp_path / ".out.desk-z").mkdir()

    files.sweep_staging(tmp_path / "out")

    assert (tmp_path / "out" / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_a_fault_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"No space is left for .*out"), files.staging_dir(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_library_that_finds_the_disk_full_is_a_fault_too(number: int, tmp_path: Path) -> None:
    from safetensors import SafetensorError

    with pytest.raises(Fault, match=r"No space is left for .*out"), files.staging_dir(tmp_path / "out"):
        raise SafetensorError(f"Error while serializing: I/O error: No space left (os error {number})")
    assert list(tmp_path.iterdir()) == []


def test_another_error_of_the_disk_is_not_changed(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), files.report_disk_full(tmp_path):
        raise PermissionError(errno.EACCES, "no")


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda out: (out / "a.txt").write_text("two"), "was changed"),
        (lambda out: (out / "a.txt").unlink(), "is missing"),
        (lambda out: (out / "b.txt").write_text("x"), "does not belong there"),
        (
            lambda out: (
                (out / "a.txt").rename(out.parent / "a.txt")
                and (out / "a.txt").symlink_to(out.parent / "a.txt")
            ),
            "is a symbolic link",
        ),
        (lambda out: (out / "folder").symlink_to(out.parent), "is a symbolic link"),
        (lambda out: os.mkfifo(out / "pipe"), "is not a regular file"),
    ],
)
def test_a_tampered_folder_is_not_used(tamper: object, message: str, tmp_path: Path) -> None:
    write(tmp_path / "out", "one")
    tamper(tmp_path / "out")  # type: ignore[operator]

    with pytest.raises(DigestMismatch, match=f"{message}.*tonewatch stage clean"):
        files.verified_receipt(tmp_path / "out", made_by="clean")


def test_an_unfinished_folder_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"missing or unfinished.*tonewatch stage clean"):
        files.verified_receipt(tmp_path / "out", made_by="clean")


def test_one_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    files.write_json(tmp_path / "deep" / "a.json", {"b": 1, "a": "é"})

    assert (tmp_path / "deep" / "a.json").read_text("utf-8") == '{\n "a": "é",\n "b": 1\n}\n'
    with pytest.raises(TypeError):
        files.write_bytes(tmp_path / "deep" / "a.json", "text")  # type: ignore[arg-type]
    assert files.read_json(tmp_path / "deep" / "a.json") == {"a": "é", "b": 1}
    assert len(list((tmp_path / "deep").iterdir())) == 1
