"""A model registration: a toy candidate, a minimal classifier, parameters and metrics."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import toy

import pipeline
from pipeline.io.registry.mlflow_models import ModelRegistration

SERVING = Path(pipeline.__file__).parent / "serve" / "mlflow_model.py"


def entry(
    folder: Path, predictions: Mapping[str, str], *, labels: Sequence[str] = toy.LABELS, **changes: Any
) -> ModelRegistration:
    """Write the files to a folder and return their registration."""
    toy.candidate(folder / "candidate", predictions, labels=labels)
    (folder / "classifier").mkdir(exist_ok=True)
    (folder / "classifier" / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / "classifier" / "config.json").write_text("{}")
    (folder / "evaluation.json").write_text('{"macro_f1": 0.5}')
    registration = ModelRegistration(
        digest="d" * 64,
        candidate=folder / "candidate",
        classifier=folder / "classifier",
        evaluation=folder / "evaluation.json",
        code=SERVING,
        labels=labels,
        data_version="v1",
        fingerprint="f" * 64,
        params={"seed": 20, "collect": {"labels": ["no", "yes"], "label_map": {"ein Wort!": "yes"}}},
        metrics={"macro_f1": 0.75, "per_source": {"tweet": {"macro_f1": 0.7}}},
        histories={
            "pretrain": [],
            "finetune": [{"step": 10, "loss": 0.9}, {"step": 20, "loss": 0.5, "macro_f1": 0.7}],
        },
    )
    return dataclasses.replace(registration, **changes)
