"""A workspace with a split of short sentences and a tiny encoder, whose folds train in a second."""

import yaml

from pipeline.base.config import Workspace
from pipeline.base.records import Receipt, TextRecord
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model
from pipeline.operations.workspace import params_of

LABELS = ["negative", "positive"]
FINETUNE = {
    "min_steps": 12,
    "epochs": 1,
    "batch_size": 16,
    "learning_rate": 3.0e-3,
    "eval_every": 6,
    "save_every": 6,
}
RANGES = {
    "finetune.learning_rate": {"low": 1.0e-4, "high": 1.0e-2, "log": True},
    "finetune.min_steps": {"low": 6, "high": 12, "log": False},
    "finetune.class_weights": {"choices": [0.0, 1.0]},
}
TUNE = {"trials": 3, "folds": 3, "minutes": 10, "workers_at_once": 1, "ranges": RANGES}


def records(sentences):
    return [
        TextRecord(str(n), text, LABELS[label], "mine", f"g{n // 2}", "en", "", "own")
        for n, (text, label) in enumerate(sentences)
    ]


def write_params(root, **sections):
    params = yaml.safe_load(params_of("csv"))
    params["collect"]["labels"] = LABELS
    for name, values in {
        "finetune": FINETUNE,
        "tune": TUNE,
        "encoder": {"max_tokens": 32},
        **sections,
    }.items():
        params[name] |= values
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")


def build(root, sentences, start, tokenizer_json):
    """Write params.yaml, the split and the encoder; return the workspace."""
    write_params(root)
    texts = records(sentences)
    with files.staging_dir(root / "data" / "splits") as staging:
        for name, rows in (("train", texts[:96]), ("valid", texts[96:112]), ("test", texts[112:])):
            parquet.write_texts(staging / f"{name}.parquet", rows)
        files.write_receipt(staging, Receipt("split"))
    with files.staging_dir(root / "data" / "encoder") as staging:
        write_model(staging, start.encoder(5).state_dict(), start.config, tokenizer_json, [])
        files.write_receipt(staging, Receipt("pretrain"))
    return Workspace.of(root, {})
