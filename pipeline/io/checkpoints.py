"""Checkpoints of a training: each is whole or ignored, and deleted when nobody resumes it for long."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.base.errors import TonewatchError
from pipeline.io import files

if TYPE_CHECKING:
    from torch import Tensor


def old_checkpoints(root: Path, *, before: float) -> list[Path]:
    """Return the folders of trainings last written before a time, in seconds since 1970."""
    folders = sorted(path for path in root.glob("[!.]*") if path.is_dir())
    return [folder for folder in folders if _last_written(folder) < before]


def sweep_checkpoints(root: Path, *, before: float) -> list[str]:
    """Delete checkpoints last written before a time, in seconds since 1970; return their keys."""
    old = old_checkpoints(root, before=before)
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder.name for folder in old]


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
    """Store the checkpoints of one training under a key made of all that it depends on."""

    root: Path
    key: str

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
        for older in self.folder.glob("step-*"):
            if older.name < out.name:
                shutil.rmtree(older, ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint whose digests match its files, None when there is none."""
        from safetensors.torch import load_file

        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                files.verify_folder(folder, files.read_json(folder / files.RECEIPT))
            except (TonewatchError, OSError, ValueError):
                continue
            step = int(folder.name.removeprefix("step-"))
            tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
            return Checkpoint(step, tensors, files.read_json(folder / "notes.json"))
        return None

    def delete(self) -> None:
        """Delete every checkpoint of this training."""
        shutil.rmtree(self.folder, ignore_errors=True)
