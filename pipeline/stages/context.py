"""What a stage is run with: the workspace, its parameters, the machine; and what training needs besides its inputs."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Params, Profile, Workspace
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.params_file import load_params
from pipeline.stages.table import find_stage

if TYPE_CHECKING:
    from pipeline.core.train.ray_trainer import TrainingJob, TrainingResult
    from pipeline.io.sources.source_reader import SourceReader
    from pipeline.io.versioning.dvc_cache import DvcCache


@dataclass(frozen=True)
class TrainingContext:
    """Hold what training needs besides its inputs: the seed, the machine, where it may keep things, and the code's digest."""

    seed: int
    profile: Profile
    checkpoints: Path
    downloads: Path
    code: str

    def checkpoint_store(self, *parts: object) -> CheckpointFolder:
        """Return the checkpoints under a key made of all that the training depends on."""
        depends_on = json.dumps([self.seed, self.code, *parts], sort_keys=True, default=str)
        return CheckpointFolder(self.checkpoints, hashlib.sha256(depends_on.encode()).hexdigest())

    def train(self, job: "TrainingJob") -> "TrainingResult":
        """Train on this machine."""
        from pipeline.core.train.ray_trainer import WorkerResources
        from pipeline.core.train.ray_trainer import run_training as train

        machine = WorkerResources(
            device=self.profile.device,
            workers=self.profile.workers,
            micro_batch=self.profile.micro_batch,
            threads=self.profile.threads,
            storage=str(self.checkpoints.resolve()),
        )
        return train(job, machine)


@dataclass(frozen=True)
class StageContext:
    """Hold what every stage is run with: where, how, and on what machine."""

    workspace: Workspace
    profile: Profile

    @cached_property
    def params(self) -> Params:
        """Read the workspace's params.yaml, once."""
        return load_params(self.workspace.params)

    @cached_property
    def dvc_cache(self) -> "DvcCache":
        """Open DVC's record of the workspace."""
        from pipeline.io.versioning.dvc_cache import DvcCache

        return DvcCache(self.workspace.root)

    @cached_property
    def source_reader(self) -> "SourceReader":
        """Open the sources of texts; `identity` and `collect` of one run read the same feedback and replay."""
        from pipeline.io.sources.source_reader import SourceReader

        return SourceReader(self.workspace, self.params.collect)

    def folder(self, stage: str) -> Path:
        """Return the folder that a stage writes."""
        return self.workspace.root / find_stage(stage).out

    def training_context(self, stage: str) -> TrainingContext:
        """Return what training in a stage needs besides its inputs."""
        digest = self.folder("identity") / stage
        code = digest.read_text("utf-8") if digest.exists() else ""
        return TrainingContext(
            self.params.seed, self.profile, self.workspace.checkpoints, self.workspace.downloads, code
        )
