"""Train a fold with the fine-tune stage, score its held-out texts, and keep the score in a file."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from pipeline.base.config import Params, Profile, Workspace
from pipeline.base.config.params import first_reason
from pipeline.base.digests import json_digest
from pipeline.base.errors import DataRejected, TrainingDiverged, UsageError
from pipeline.core.search.trials import FoldScore, Values
from pipeline.io import files, parquet
from pipeline.operations.tuning.fold_texts import HELD_OUT, divide, write_fold
from pipeline.operations.tuning.results import SCORES
from pipeline.stages import finetune
from pipeline.stages.context import StageContext, TrainingContext

WORK = "work"


@dataclass(frozen=True)
class FoldContext(StageContext):
    """Hold the context of the stages with other parameters, and other folders for some of them.

    The training runs in this process and is followed by nobody: a search has curves of its own.
    """

    values: Values
    folders: Mapping[str, Path]

    @property
    def params(self) -> Params:
        """Return the parameters of the workspace with the values of a trial."""
        return StageContext(self.workspace, self.profile).params.with_searched(self.values)

    def folder(self, stage: str) -> Path:
        """Return the folder that a stage writes in this fold."""
        return self.folders.get(stage) or super().folder(stage)

    def training_context(self, stage: str) -> TrainingContext:
        """Return the training context of a stage."""
        return replace(super().training_context(stage), open_curves=None, store="")


@dataclass(frozen=True)
class WorkspaceFolds:
    """Train folds of the workspace at a root, below a folder; it travels to the workers of the cluster.

    They see the workspace at the same path, and read what is secret from their own environment.
    """

    root: Path
    profile: Profile
    folder: Path

    def __call__(self, values: Values, fold: int) -> FoldScore:
        """Return the score of a fold trained with these values; what was scored before is read."""
        path = self.folder / SCORES / f"{json_digest(values)[:16]}-{fold}.json"
        if not path.is_file():
            found = self._train(values, fold)
            document = {"values": dict(values), "fold": fold, "score": found.score, "fault": found.fault}
            files.write_json(path, document)
        document = files.read_json(path)
        return FoldScore(document["score"], document["fault"])

    def _train(self, values: Values, fold: int) -> FoldScore:
        # Texts and model are there while they are needed; those of a killed search go with its folder.
        work = self.folder / WORK / f"{json_digest(values)[:16]}-{fold}"
        folders = {"split": work / "texts", "finetune": work / "classifier"}
        workspace = Workspace.of(self.root, os.environ)
        context = FoldContext(workspace, self.profile, values, folders)
        splits = StageContext(workspace, self.profile).folder("split")
        try:
            params = context.params
            write_fold(folders["split"], divide(splits, fold, params))
            finetune.run(context)
            score = held_out_score(folders["finetune"], folders["split"], params)
            return FoldScore(score)
        except (TrainingDiverged, DataRejected, UsageError, ValidationError) as error:
            # These values cannot be trained with on these texts; others can.
            return FoldScore(None, first_reason(error).splitlines()[0])
        finally:
            shutil.rmtree(work, ignore_errors=True)


def held_out_score(classifier: Path, texts: Path, params: Params) -> float:
    """Return macro F1 of a trained classifier on the held-out texts of a fold."""
    import numpy as np
    from safetensors.torch import load

    from pipeline.core.evaluate.metrics import score
    from pipeline.core.model.heads import trained_classifier
    from pipeline.core.model.tokenizer import encode, load_tokenizer
    from pipeline.core.train.objectives import predict_labels

    weights = load((classifier / "model.safetensors").read_bytes())
    model = trained_classifier(files.read_json(classifier / "config.json"), weights)
    tokenizer = load_tokenizer((classifier / "tokenizer.json").read_text("utf-8"), params.encoder.max_tokens)
    rows = list(parquet.stream_rows(texts / f"{HELD_OUT}.parquet", "text", "label"))
    tokens = encode(tokenizer, [text for text, _ in rows], params.encoder.long_texts)
    labels = list(params.collect.labels)
    truth = np.array([labels.index(label) for _, label in rows])
    return float(score(truth, predict_labels(model, tokens), len(labels)))
