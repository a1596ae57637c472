"""What a stage runs with: the workspace, its parameters, the machine, and what training needs besides."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.config import Params, Profile, Workspace
from pipeline.base.digests import json_digest
from pipeline.io.checkpoints import CheckpointFolder
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.io.streams.worker_pool import Batching
from pipeline.stages.table import find_stage

if TYPE_CHECKING:
    from pipeline.core.train.jobs import Curves, TrainingJob, TrainingResult
    from pipeline.io.sources.source_reader import SourceReader
    from pipeline.io.versioning.dvc_cache import DvcCache
    from pipeline.io.web.keeping import Keeping


@dataclass(frozen=True)
class TrainingContext:
    """Hold the seed, the profile, the folders and the code digest that a training needs.

    `open_curves` gets the name and the key of a training, and returns where it can be followed.
    """

    seed: int
    profile: Profile
    checkpoints: Path
    downloads: Path
    code: str
    cluster: RayCluster
    open_curves: "Callable[[str, str], Curves] | None" = None
    store: str = ""

    def checkpoint_store(self, *parts: object) -> CheckpointFolder:
        """Return the checkpoints of a training that depends on `parts`, the seed and the code."""
        key = json_digest([self.seed, self.code, *parts], default=str)
        return CheckpointFolder(self.checkpoints, key, self.store)

    def train(self, job: "TrainingJob") -> "TrainingResult":
        """Train on this machine, or on the workers of the cluster."""
        from pipeline.core.train.jobs import NoCurves, WorkerResources
        from pipeline.core.train.ray_trainer import run_training

        if self.profile.workers:
            self.cluster.join()
            if self.profile.device == "cpu":
                self.cluster.require_cores(self.profile.min_workers or self.profile.workers)
        resources = WorkerResources(
            device=self.profile.device,
            workers=self.profile.workers,
            micro_batch=self.profile.micro_batch,
            threads=self.profile.threads,
            storage=self.store or str(self.checkpoints.resolve()),
            min_workers=self.profile.min_workers,
            divide_weights=self.profile.divide_weights,
        )
        curves = self.open_curves(job.name, job.checkpoints.key) if self.open_curves else NoCurves()
        try:
            return run_training(job, resources, curves)
        finally:
            # The workers have copies of their own; this one ends the run, also where nothing was left to do.
            curves.close()


@dataclass(frozen=True)
class StageContext:
    """Hold the workspace and the profile that every stage runs with."""

    workspace: Workspace
    profile: Profile

    @cached_property
    def params(self) -> Params:
        """Read the workspace's params.yaml, once."""
        return load_params(self.workspace.params)

    @cached_property
    def dvc_cache(self) -> "DvcCache":
        """Open the DVC cache of the workspace."""
        from pipeline.io.versioning.dvc_cache import DvcCache

        return DvcCache(self.workspace.root)

    @cached_property
    def source_reader(self) -> "SourceReader":
        """Open the sources of texts; `identity` and `collect` of a run read the same feedback and replay."""
        from pipeline.io.sources.source_reader import open_sources

        return open_sources(self.workspace, self.params.collect, self._keeping())

    def _keeping(self) -> "Keeping":
        """Return what a row of the web goes through before it is stored: what `collect` does with it."""
        from pipeline.core.privacy.names import person_digest
        from pipeline.core.privacy.preparation import preparation
        from pipeline.core.privacy.tombstone_form import tombstone_form
        from pipeline.io.forgetting.tombstones import open_tombstones
        from pipeline.io.web.keeping import Keeping

        prepare = preparation(mask=self.params.clean.mask)
        return Keeping(
            prepare.name,
            prepare,
            person_digest if prepare.mask else str,
            open_tombstones(self.workspace, tombstone_form).covers,
        )

    @property
    def batching(self) -> Batching:
        """Return what works on the batches of a data stage: the cluster where the profile has workers."""
        return Batching(cluster=self._cluster if self.profile.workers else None)

    @property
    def _cluster(self) -> RayCluster:
        return RayCluster(self.workspace.ray, self.workspace.ray_token)

    def folder(self, stage: str) -> Path:
        """Return the folder that a stage writes."""
        return self.workspace.root / find_stage(stage).out

    def training_context(self, stage: str) -> TrainingContext:
        """Return the training context of a stage."""
        from pipeline.io.training.curves import open_curves

        digest = self.folder("identity") / stage
        code = digest.read_text("utf-8") if digest.exists() else ""
        places = self.workspace
        return TrainingContext(
            self.params.seed,
            self.profile,
            places.checkpoints,
            places.downloads,
            code,
            self._cluster,
            partial(open_curves, places),
            places.training_store,
        )
