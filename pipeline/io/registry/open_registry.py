"""The registered model that belongs to a workspace, in its own MLflow or in one that it shares."""

from pathlib import Path

from pipeline.base.config import Workspace
from pipeline.io.registry.ledger import Ledger
from pipeline.io.registry.mlflow_models import NAME, ModelRegistry, candidate_digest
from pipeline.io.registry.mlflow_places import follow_move
from pipeline.io.workspace_id import name_model, workspace_identity


def open_registry(workspace: Workspace) -> ModelRegistry:
    """Return the registered model of a workspace.

    The embedded MLflow, which follows its workspace when that is moved, has the model `tonewatch`. In a
    shared one each workspace has a model and an experiment of its own name, so that none touches another's
    aliases; one whose releases an earlier version registered there as `tonewatch` keeps that name.
    """
    if workspace.mlflow_embedded:
        follow_move(Path(workspace.home / "mlflow.db"))
        return ModelRegistry(workspace.mlflow)
    identity = workspace_identity(workspace)
    model = identity.model or name_model(workspace, _shared_name(workspace))
    return ModelRegistry(workspace.mlflow, model)


def _shared_name(workspace: Workspace) -> str:
    identity = workspace_identity(workspace)
    records = [release.record for release in Ledger(workspace.ledger).releases()]
    # Releases of early versions hold no workspace: all were registered as `tonewatch`.
    early = [candidate_digest(record) for record in records if record["workspace"] is None]
    if early and ModelRegistry(workspace.mlflow).claim(identity.id, early):
        return NAME
    return identity.own_model
