"""Checkpoints of a training, each whole or not used."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import TonewatchError
from pipeline.storage import files

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """Hold named groups of tensors and a JSON document as they were after a step."""

    step: int
    tensors: Mapping[str, Mapping[str, "Tensor"]]
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """Keep the checkpoints of one training under a key made of all that it depends on."""

    root: Path
    key: str

    @property
    def folder(self) -> Path:
        """Give the folder of this training."""
        return self.root / self.key

    def save(self, step: int, tensors: Mapping[str, Mapping[str, "Tensor"]], notes: Mapping[str, Any]) -> None:
        """Write a checkpoint whole, then let go of the older ones."""
        from safetensors.torch import save_file

        out = self.folder / f"step-{step:08d}"
        with files.whole(out) as desk:
            for name, group in tensors.items():
                save_file({key: value.detach().cpu().contiguous() for key, value in group.items()}, desk / f"{name}.safetensors")
            files.write_json(desk / "notes.json", notes)
            files.write_json(desk / files.RECEIPT, files.digests(desk))
        for older in self.folder.glob("step-*"):
            if older.name < out.name:
                shutil.rmtree(older, ignore_errors=True)

    def newest(self) -> Checkpoint | None:
        """Read the newest checkpoint whose every byte is as it was written; None when there is none."""
        from safetensors.torch import load_file

        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            try:
                files.verify(folder, files.read_json(folder / files.RECEIPT))
            except (TonewatchError, OSError, ValueError):
                continue
            tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
            return Checkpoint(int(folder.name.removeprefix("step-")), tensors, files.read_json(folder / "notes.json"))
        return None

    def forget(self) -> None:
        """Remove every checkpoint of this training."""
        shutil.rmtree(self.folder, ignore_errors=True)
