"""Pretrain, fine-tune and compress from a folder of another family, to a prediction."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_starts import byte_tokenizer, write_folder

from pipeline.base.config import CompressConfig, EncoderConfig, FinetuneConfig, PretrainConfig, Profile
from pipeline.base.errors import ConfigError
from pipeline.base.records import Receipt, TextRecord
from pipeline.core.methods.checks import FinetuningPlan
from pipeline.inference.load import load_predictor
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.compress import compress
from pipeline.stages.context import TrainingContext
from pipeline.stages.finetune import finetune
from pipeline.stages.pretrain import pretrain

LABELS = ["bad", "good"]
SHAPE = {"width": 16, "layers": 2, "heads": 2, "feed_forward": 32}
SMALL = {"tokenizer": "wordpiece", "vocabulary": 300, **SHAPE}
UNCOMPRESSED = {"vocabulary_min_count": None, "layers": 1.0, "heads": 1.0, "feed_forward": 1.0, "int8": False}
MENU = [
    {**UNCOMPRESSED, "name": "fp32"},
    {**UNCOMPRESSED, "name": "int8", "int8": True},
    {**UNCOMPRESSED, "name": "trimmed-int8", "vocabulary_min_count": 1, "int8": True},
    {**UNCOMPRESSED, "name": "half-int8", "heads": 0.5, "feed_forward": 0.5, "int8": True},
]
LOOSE = {"max_f1_drop": 0.5, "max_slice_drop": 0.5, "min_agreement": 0.5, "max_megabytes": 5.0}


@pytest.fixture(scope="module")
def splits(sentences: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "splits"
    records = [
        TextRecord(str(n), text, LABELS[label], "mine", str(n), "en", "", "own")
        for n, (text, label) in enumerate(sentences)
    ]
    with files.staging_dir(folder) as staging:
        for side in ("train", "valid"):
            parquet.write_texts(staging / f"{side}.parquet", records)
        files.write_receipt(staging, Receipt("split"))
    return folder


def make(folder: Path, name: str, sentences: Any) -> Path:
    write_folder(folder, name)
    if name == "roberta":
        (folder / "tokenizer.json").write_text(byte_tokenizer([text for text, _ in sentences]), "utf-8")
    return folder


def context_of(home: Path) -> TrainingContext:
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    return TrainingContext(
        3, profile, home / "checkpoints", home, "code", RayCluster("local", home / "token")
    )


def encoder_section(root: Path, **changes: Any) -> EncoderConfig:
    values = load_params(root / "params.yaml").encoder.model_dump()
    return EncoderConfig.model_validate({**values, "start": "folder", "max_tokens": 32, **changes})


def pretrained(
    home: Path,
    splits: Path,
    root: Path,
    encoder: EncoderConfig,
    *,
    tuning: Any = None,
    **pretraining: Any,
) -> Receipt:
    params = load_params(root / "params.yaml")
    return pretrain(
        splits,
        home / "encoder",
        encoder=encoder,
        cfg=PretrainConfig.model_validate({**params.pretrain.model_dump(), **pretraining}),
        limits=params.validation.model_copy(update={"max_cut_words": 1.0}),
        training=context_of(home),
        finetuning=FinetuningPlan(
            FinetuneConfig.model_validate({**params.finetune.model_dump(), **(tuning or {})}), LABELS, 32
        ),
    )


def start_from(
    folder: Path, splits: Path, home: Path, root: Path, tuning: Any = None, **changes: Any
) -> Path:
    """Run the three stages, and return the folder of the candidate; `tuning` changes the fine-tuning."""
    params = load_params(root / "params.yaml")
    encoder = encoder_section(root, folder=str(folder), **changes)
    training = context_of(home)
    reading: dict[str, Any] = {"max_tokens": encoder.max_tokens, "long_texts": encoder.long_texts}
    pretrained(home, splits, root, encoder, steps=3)
    tuned = {"min_steps": 60, "learning_rate": 3e-3, "eval_every": 30}
    finetune(
        splits,
        home / "encoder",
        home / "classifier",
        labels=LABELS,
        cfg=FinetuneConfig.model_validate({**params.finetune.model_dump(), **tuned, **(tuning or {})}),
        training=training,
        **reading,
    )
    values = params.compress.model_dump()
    recovery = {**values["recovery"], "steps": 12, "batch_size": 16, "learning_rate": 3e-3}
    sizes = {"importance_texts": 32, "benchmark_texts": 8, "recovery": recovery, "menu": MENU}
    cfg = CompressConfig.model_validate({**values, **sizes, "budget": {**values["budget"], **LOOSE}})
    compress(
        home / "classifier",
        splits,
        home / "candidate",
        labels=LABELS,
        cfg=cfg,
        slices=params.evaluate,
        training=training,
        **reading,
    )
    return home / "candidate"


@pytest.mark.parametrize(
    ("name", "variants", "skipped"),
    [
        # A vocabulary of bytes is not trimmed; heads and channels of RoBERTa are pruned as those of BERT.
        ("roberta", ["fp32", "int8", "half-int8"], ["trimmed-int8"]),
        ("distilbert", ["fp32", "int8", "trimmed-int8"], ["half-int8"]),
    ],
)
def test_a_folder_becomes_a_candidate_that_predicts(
    name: str,
    variants: list[str],
    skipped: list[str],
    splits: Path,
    tmp_path: Path,
    root: Path,
    sentences: Any,
) -> None:
    candidate = start_from(make(tmp_path / name, name, sentences), splits, tmp_path, root)

    menu, golden = (
        json.loads((candidate / file).read_text("utf-8")) for file in ("menu.json", "golden.json")
    )
    predictor = load_predictor(candidate)

    assert [one["name"] for one in menu["variants"]] == variants
    assert [one.partition(" is skipped: ")[0] for one in menu["reasons"] if "skipped" in one] == skipped
    assert menu["teacher"]["macro_f1"] > 0.95
    assert min(one["agreement"] for one in menu["variants"]) > 0.9
    assert predictor.predict(["a lovely song", "an awful meal"]).labels == ("good", "bad")
    assert len(set(" ".join(golden["texts"]).split())) > 10
    assert np.allclose(predictor.predict(golden["texts"]).probabilities, golden["probabilities"], atol=1e-5)
    assert json.loads((tmp_path / "encoder" / "config.json").read_text("utf-8"))["model_type"] == name


def test_long_texts_are_read_in_windows_from_training_to_service(
    splits: Path, tmp_path: Path, root: Path, sentences: Any
) -> None:
    folder = make(tmp_path / "roberta", "roberta", sentences)
    candidate = start_from(folder, splits, tmp_path, root, long_texts="windows", max_tokens=8)

    predictor = load_predictor(candidate)
    first, last = predictor.predict(
        ["thing " * 40, "thing " * 40 + "superb lovely great good " * 9]
    ).probabilities

    assert json.loads((candidate / "model.json").read_text("utf-8"))["long_texts"] == "windows"
    assert last[1] > first[1]
    assert predictor.predict(["thing " * 90]).cut == (False,)


def test_a_folder_that_does_not_fit_stops_before_training(splits: Path, tmp_path: Path, root: Path) -> None:
    folder = write_folder(tmp_path / "mine", "roberta", num_hidden_layers=5)

    with pytest.raises(ConfigError, match=r"encoder\.folder of params\.yaml.*lacks encoder\.layer\.2"):
        start_from(folder, splits, tmp_path, root)
    assert not (tmp_path / "encoder").exists()
    assert not (tmp_path / "checkpoints").exists()


def test_without_steps_the_encoder_is_written_as_it_starts(
    splits: Path, tmp_path: Path, root: Path, sentences: Any
) -> None:
    folder = make(tmp_path / "roberta", "roberta", sentences)

    receipt = pretrained(tmp_path, splits, root, encoder_section(root, folder=str(folder)), steps=0)

    written = load_file(tmp_path / "encoder" / "model.safetensors")
    published = load_file(folder / "model.safetensors")
    assert receipt.notes["objective"] == "none"
    assert len(written) > 20
    assert all(any(torch.equal(value, other) for other in published.values()) for value in written.values())
    assert not (tmp_path / "checkpoints").exists()


def test_without_steps_random_weights_are_those_of_the_seed(splits: Path, tmp_path: Path, root: Path) -> None:
    shape = {
        "tokenizer": "wordpiece",
        "vocabulary": 100,
        "width": 16,
        "layers": 2,
        "heads": 2,
        "feed_forward": 32,
    }
    encoder = encoder_section(root, start="scratch", scratch=shape)

    for name in ("first", "second"):
        pretrained(tmp_path / name, splits, root, encoder, steps=0)

    first, second = (
        (tmp_path / name / "encoder" / "model.safetensors").read_bytes() for name in ("first", "second")
    )
    assert first == second


PROMPT = {
    "template": "{text} what a [MASK] film",
    "words": {"bad": ["bad"], "good": ["good"]},
    "zero_shot": False,
}


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ({"method": "top:7"}, "`top:7` asks for 7 blocks, and this encoder has 2"),
        (
            {"method": "prompt", "prompt": PROMPT},
            "needs a BERT with a word head, and this encoder is a roberta",
        ),
        ({"method": "adalora", "min_steps": 1, "batch_size": 999}, "needs 10 steps .* the training has 1"),
    ],
)
def test_a_method_that_the_encoder_has_no_place_for_stops_before_pretraining(
    tuning: dict[str, Any], message: str, splits: Path, tmp_path: Path, root: Path, sentences: Any
) -> None:
    folder = make(tmp_path / "roberta", "roberta", sentences)
    encoder = encoder_section(root, folder=str(folder))

    with pytest.raises(ConfigError, match=message):
        pretrained(tmp_path, splits, root, encoder, steps=3, tuning=tuning)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("pretraining", "words", "message"),
    [
        ({"steps": 3}, {"bad": ["bad"]}, "the label good has no word"),
        ({"steps": 3, "objective": "causal"}, PROMPT["words"], "this encoder is one without"),
        ({"steps": 0}, PROMPT["words"], "this encoder is one without"),
    ],
)
def test_a_prompt_that_would_not_fit_stops_before_pretraining(
    pretraining: dict[str, Any], words: Any, message: str, splits: Path, tmp_path: Path, root: Path
) -> None:
    encoder = encoder_section(root, start="scratch", scratch=SMALL)
    tuning = {"method": "prompt", "prompt": {**PROMPT, "words": words}}

    with pytest.raises(ConfigError, match=message):
        pretrained(tmp_path, splits, root, encoder, tuning=tuning, **pretraining)
    assert not (tmp_path / "checkpoints").exists()


AUGMENT = {"typos": 0.3, "case": 0.0, "words": 0.5}


@pytest.mark.parametrize("pretraining", [{"steps": 0}, {"steps": 3, "objective": "causal"}])
def test_words_without_a_word_head_stop_before_pretraining(
    pretraining: dict[str, Any], splits: Path, tmp_path: Path, root: Path
) -> None:
    encoder = encoder_section(root, start="scratch", scratch=SMALL)

    with pytest.raises(ConfigError, match="`words` needs an encoder with a word head"):
        pretrained(tmp_path, splits, root, encoder, tuning={"augment": AUGMENT}, **pretraining)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("name", ["roberta", "distilbert"])
def test_changed_copies_are_learnt_beside_their_texts(
    name: str, splits: Path, tmp_path: Path, root: Path, sentences: Any
) -> None:
    folder = make(tmp_path / name, name, sentences)

    candidate = start_from(folder, splits, tmp_path, root, {"augment": AUGMENT})

    counts = files.read_receipt(tmp_path / "classifier").counts
    assert 0.2 * len(sentences) < counts["copies"] < 0.8 * len(sentences)
    assert counts["train"] == len(sentences) + counts["copies"]
    assert load_predictor(candidate).predict([sentences[0][0]]).labels[0] in LABELS


@pytest.mark.slow
@pytest.mark.parametrize("method", ["top:1", "lora", "adalora"])
@pytest.mark.parametrize("name", ["roberta", "distilbert"])
def test_a_classifier_of_another_method_is_compressed_as_a_plain_one(
    name: str, method: str, splits: Path, tmp_path: Path, root: Path, sentences: Any
) -> None:
    folder = make(tmp_path / name, name, sentences)
    lora = {"rank": 4, "alpha": 16.0, "dropout": 0.0, "targets": "all"}

    candidate = start_from(
        folder, splits, tmp_path, root, {"method": method, "learning_rate": 1e-2, "lora": lora}
    )

    predictor = load_predictor(candidate)
    texts = [text for text, _ in sentences]
    truth = [LABELS[label] for _, label in sentences]
    right = np.mean([one == other for one, other in zip(predictor.predict(texts).labels, truth, strict=True)])
    assert right > 0.8
