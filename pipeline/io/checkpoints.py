"""Checkpoints of a training: each is whole or ignored, and deleted when nobody resumes it for long."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import DigestMismatch, Unreachable
from pipeline.io import files
from pipeline.io.training import stores
from pipeline.io.training.local_copies import delete_copies, is_whole
from pipeline.io.training.token_shards import Columns, TokenShards, publish_shards, write_shards

if TYPE_CHECKING:
    from torch import Tensor


def old_checkpoints(root: Path, *, before: float) -> list[Path]:
    """Return the folders of trainings last written before a time, in seconds since 1970."""
    folders = sorted(path for path in root.glob("[!.]*") if path.is_dir())
    return [folder for folder in folders if _last_written(folder) < before]


def sweep_checkpoints(root: Path, *, before: float, store: str = "") -> tuple[list[str], str]:
    """Delete trainings last written before a time, in seconds since 1970: here, and in the store.

    Returns their keys, and why the store failed; what stays there has an empty folder here, which every later
    call takes for old.
    """
    removed: list[str] = []
    for folder in old_checkpoints(root, before=before):
        try:
            _delete(folder, store)
        except Unreachable as error:
            return removed, str(error)
        removed.append(folder.name)
    return removed, ""


def _delete(folder: Path, store: str) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if store:
        # Its folder says what may still be in the store.
        os.utime(folder, (0, 0))
        delete_copies(f"{store}/{folder.name}")
        stores.remove(f"{store}/{folder.name}")
    shutil.rmtree(folder, ignore_errors=True)


def _last_written(folder: Path) -> float:
    return max((path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists()), default=0.0)


@dataclass(frozen=True)
class Checkpoint:
    """Hold groups of tensors by name and a JSON document as they are after `step` steps."""

    step: int
    tensors: Mapping[str, Mapping[str, "Tensor"]]
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class CheckpointFolder:
    """Store the checkpoints of one training under a key made of all that it depends on.

    With a `store`, as s3://bucket/folder, they lie there, and in the folder is what this machine has of them.
    """

    root: Path
    key: str
    store: str = ""

    @property
    def folder(self) -> Path:
        """Return the folder of this training."""
        return self.root / self.key

    def save(
        self, step: int, tensors: Mapping[str, Mapping[str, "Tensor"]], notes: Mapping[str, object]
    ) -> None:
        """Write a checkpoint whole, then delete the older ones."""
        from safetensors.torch import save_file

        out = self.folder / f"step-{step:08d}"
        with files.staging_dir(out) as staging:
            for name, group in tensors.items():
                values = {key: value.detach().cpu().contiguous() for key, value in group.items()}
                save_file(values, staging / f"{name}.safetensors")
            files.write_json(staging / "notes.json", notes)
            files.write_json(staging / files.RECEIPT, files.folder_digests(staging))
        if self.store:
            stores.publish(out, self._address(out.name))
            for name in self._stored():
                if name < out.name:
                    stores.remove(self._address(name))
        for older in self.folder.glob("step-*"):
            if older.name < out.name:
                shutil.rmtree(older, ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint whose digests match its files, None when there is none."""
        here = _steps(path.name for path in self.folder.glob("step-*"))
        for name in sorted({*here, *self._stored()}, reverse=True):
            folder = self.folder / name
            if is_whole(folder) or (self.store and self._fetched(folder)):
                return _read_checkpoint(folder)
        return None

    def texts(self, name: str, batches: Iterable[Columns]) -> TokenShards:
        """Keep tokenized texts while the training lasts; a resumed one reads those it finds.

        The batches are made only where they are not kept already.
        """
        shards = write_shards(self.folder / f"texts-{name}", batches)
        return publish_shards(shards, self._address(f"texts-{name}")) if self.store else shards

    def delete(self) -> None:
        """Delete every checkpoint of this training, and its texts."""
        if self.folder.exists():
            _delete(self.folder, self.store)
        elif self.store:
            stores.remove(f"{self.store}/{self.key}")

    def _address(self, name: str) -> str:
        return f"{self.store}/{self.key}/{name}"

    def _stored(self) -> list[str]:
        found = stores.names(f"{self.store}/{self.key}") if self.store else []
        return _steps(found)

    def _fetched(self, folder: Path) -> bool:
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        # The workers of one machine share the folder.
        with FileLock(self.folder / "fetch.lock"):
            try:
                return is_whole(folder) or stores.fetch(self._address(folder.name), folder)
            except DigestMismatch:
                return False


def _steps(names: Iterable[str]) -> list[str]:
    """Return the names of checkpoints: a folder that somebody renamed or copied is none."""
    return [name for name in names if re.fullmatch(r"step-[0-9]{8,}", name)]


def _read_checkpoint(folder: Path) -> Checkpoint:
    from safetensors.torch import load_file

    tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
    return Checkpoint(int(folder.name.removeprefix("step-")), tensors, files.read_json(folder / "notes.json"))
