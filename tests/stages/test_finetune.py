"""The fine-tune stage on a tiny encoder: its tokens are mapped, and its weights those of tokens in memory."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.base.config import Profile
from pipeline.base.config.table_section import RatingRule
from pipeline.base.errors import ConfigError, TrainingDiverged
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.model.heads import Classifier
from pipeline.core.train.jobs import TrainingJob
from pipeline.core.train.objectives import EncoderStart, LabelledTokens
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.context import TrainingContext
from pipeline.stages.finetune import finetune

LABELS = ["bad", "good"]
RATED = ["negative", "neutral", "positive"]
LORA = {"rank": 8, "alpha": 16.0, "dropout": 0.0}
RULES = {"mine": RatingRule(negative_to=-0.5, positive_from=0.5)}


@pytest.fixture(scope="module")
def encoder(start, tokenizer_json, tmp_path_factory):
    out = tmp_path_factory.mktemp("finetune") / "encoder"
    with files.staging_dir(out) as staging:
        write_model(staging, start.encoder(5).state_dict(), start.config, tokenizer_json, [])
        files.write_receipt(staging, Receipt("pretrain"))
    return out


def write_splits(out, sentences, *, labels, raters=None):
    records = [
        TextRecord(
            str(n),
            text,
            labels[label],
            "mine",
            str(n),
            "en",
            "",
            "own",
            raters=raters(label) if raters else "",
        )
        for n, (text, label) in enumerate(sentences)
    ]
    with files.staging_dir(out) as staging:
        for side in ("train", "valid"):
            parquet.write_texts(staging / f"{side}.parquet", records)
        files.write_receipt(staging, Receipt("split"))
    return out


def run(splits, encoder, home, root, *, labels, rules=None, **changes):
    values = {
        **load_params(root / "params.yaml").finetune.model_dump(),
        **{"min_steps": 24, "batch_size": 16, "learning_rate": 3e-3, "eval_every": 12, "save_every": 8},
        **changes,
    }
    cfg = type(load_params(root / "params.yaml").finetune).model_validate(values)
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    jobs = []

    class Context(TrainingContext):
        """Keep the job, and the first targets, which are gone with the files."""

        def train(self, job):
            jobs.append((job, job.objective.batch(0).targets))
            return super().train(job)

    cluster = RayCluster("local", home / "token")
    training = Context(3, profile, home / "checkpoints", home, "code", cluster)
    receipt = finetune(
        splits,
        encoder,
        home / "classifier",
        labels=labels,
        max_tokens=32,
        cfg=cfg,
        training=training,
        rules=rules,
    )
    return receipt, *jobs[0]


def test_the_weights_are_those_of_tokens_in_memory_and_nothing_stays(
    encoder, sentences, token_lists, start, tmp_path, root
):
    from safetensors.torch import load_file

    splits = write_splits(tmp_path / "splits", sentences, labels=LABELS)

    receipt, job, _ = run(splits, encoder, tmp_path, root, labels=LABELS)

    in_memory = LabelledTokens(token_lists, np.array([label for _, label in sentences]))
    weights = load_file(encoder / "model.safetensors")
    objective = replace(
        job.objective, start=EncoderStart(start.config, weights, 0.0), train=in_memory, valid=in_memory
    )
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    other = TrainingContext(
        3, profile, tmp_path / "other", tmp_path, "code", RayCluster("local", tmp_path / "token")
    )
    again = other.train(
        TrainingJob(
            "finetune",
            objective,
            job.cfg,
            steps=job.steps,
            eval_steps=job.eval_steps,
            patience=job.patience,
            checkpoints=other.checkpoint_store("memory"),
        )
    )
    stored = load_file(tmp_path / "classifier" / "model.safetensors")
    assert receipt.counts["train"] == len(sentences)
    assert files.read_json(tmp_path / "classifier" / "history.json") == list(again.history)
    assert all(torch.equal(stored[name], value) for name, value in again.weights.items())
    assert not job.checkpoints.folder.exists()


@pytest.mark.parametrize("method", ["full", "contrastive"])
def test_a_training_that_diverges_names_the_ids_of_its_texts(encoder, sentences, tmp_path, root, method):
    splits = write_splits(tmp_path / "splits", sentences, labels=LABELS)
    copies = {"typos": 1.0, "case": 0.0, "words": 0.0}

    with pytest.raises(TrainingDiverged, match=r"not finite\. Ids of its training texts: \d+, ") as stopped:
        run(splits, encoder, tmp_path, root, labels=LABELS, learning_rate=1e25, augment=copies, method=method)

    listed = re.search(r"texts: ([\d, ]+)", str(stopped.value))[1].split(", ")
    # Copies stand behind the texts, and no row of theirs is an id.
    assert len(set(listed)) == len(listed) == 10
    assert all(int(one) < len(sentences) for one in listed)


def test_single_ratings_become_the_probability_of_each_label(encoder, sentences, tmp_path, root):
    splits = write_splits(
        tmp_path / "splits",
        sentences,
        labels=(RATED[0], RATED[2]),
        raters=lambda label: "1 2" if label else "-2 -1",
    )

    receipt, _, targets = run(
        splits,
        encoder,
        tmp_path,
        root,
        labels=RATED,
        rules=RULES,
        targets="ratings",
        min_steps=90,
        eval_every=30,
    )

    assert receipt.figures["valid_accuracy"] > 0.9
    # The means 1.5 and -1.5 lie two standard errors beyond their limits.
    rows = sorted({tuple(row) for row in targets.tolist()})
    assert rows[0] == pytest.approx((0.0, 0.0227, 0.9772), abs=1e-3)
    assert rows[1] == pytest.approx((0.9772, 0.0227, 0.0), abs=1e-3)


@pytest.mark.parametrize("name", ["head", "top:1", "lora", "adalora"])
def test_a_classifier_of_every_method_is_a_plain_one(name, encoder, sentences, start, tmp_path, root):
    from safetensors.torch import load_file

    splits = write_splits(tmp_path / "splits", sentences, labels=LABELS)

    receipt, job, _ = run(splits, encoder, tmp_path, root, labels=LABELS, method=name)

    stored = load_file(tmp_path / "classifier" / "model.safetensors")
    before = load_file(encoder / "model.safetensors")
    plain = Classifier(start.encoder(1), 2, dropout=0.0, seed=1)
    plain.load_state_dict(stored)
    changed = {one for one, value in before.items() if not torch.equal(stored[f"encoder.{one}"], value)}
    assert job.objective.evaluate(plain)["score"] == receipt.figures["valid_macro_f1"]
    assert receipt.notes == {"method": name}
    assert receipt.counts["parameters"] == sum(value.numel() for value in stored.values())
    assert receipt.figures["trained_share"] == pytest.approx(
        receipt.counts["trained_parameters"] / receipt.counts["parameters"]
    )
    assert bool(changed) == (name != "head")
    assert not any(one.startswith("embeddings.") for one in changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "top:3"}, "asks for 3 blocks, and this encoder has 2"),
        (
            {"method": "lora", "lora": {**LORA, "targets": ["q_proj"]}},
            r"called q_proj.*attention\.self\.query",
        ),
        ({"method": "adalora", "min_steps": 1, "batch_size": 999}, "needs 10 steps"),
        ({"method": "prompt"}, "needs a BERT with a word head, and this encoder is one without"),
    ],
)
def test_a_method_that_does_not_fit_is_refused_before_the_training(
    changes, message, encoder, sentences, tmp_path, root
):
    splits = write_splits(tmp_path / "splits", sentences, labels=LABELS)

    with pytest.raises(ConfigError, match=message):
        run(splits, encoder, tmp_path, root, labels=LABELS, **changes)

    assert not list((tmp_path / "checkpoints").glob("*/step-*"))


def test_where_no_source_has_ratings_labels_are_learnt(encoder, sentences, tmp_path, root):
    splits = write_splits(tmp_path / "splits", sentences, labels=LABELS)

    _, _, targets = run(splits, encoder, tmp_path, root, labels=LABELS, targets="ratings")

    assert targets.ndim == 1
    assert set(targets.tolist()) == {0, 1}
