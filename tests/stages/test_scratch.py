"""From random weights and byte-level BPE to a prediction: pretraining, fine-tuning, compression."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.config import CompressConfig, EncoderConfig, FinetuneConfig, PretrainConfig, Profile
from pipeline.base.records import Receipt, TextRecord
from pipeline.base.tasks import TaskName
from pipeline.base.tasks.spans import Span, dump_spans
from pipeline.core.explain.gradients import explain_by_gradients
from pipeline.inference.load import load_predictor
from pipeline.inference.twin import _load
from pipeline.io import files, parquet
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.compress import compress
from pipeline.stages.context import TrainingContext
from pipeline.stages.finetune import finetune
from pipeline.stages.pretrain import pretrain

pytestmark = pytest.mark.timeout(120)

# Of several scripts: letters that are seen once are spelled by their bytes.
WORDS = {"bad": ("awful", "ужасный", "糟糕", "😡"), "good": ("superb", "чудесный", "很好", "😍")}
THINGS = ("film", "книга", "电影", "garden", "song")
FRAMES = ("a {} {}", "what a {} {} that was", "they sold us a {} {} again")
SHAPE = {"tokenizer": "bpe", "vocabulary": 330, "width": 32, "layers": 2, "heads": 2, "feed_forward": 64}
READING: dict[str, Any] = {"max_tokens": 48, "answer_tokens": 16}


def record(number: int, text: str, answer: str) -> TextRecord:
    return TextRecord(str(number), text, answer, "mine", str(number), "en", "", "own")


def records_of(task: TaskName) -> list[TextRecord]:
    made = []
    for label, words in WORDS.items():
        for word, thing, frame in itertools.product(words, THINGS, FRAMES):
            text = frame.format(word, thing)
            place = text.index(word)
            spans = dump_spans([Span(place, place + len(word), label)])
            answer = {"token_labels": spans, "generation": f"{word} indeed"}.get(task, label)
            made.append((f"{text}\n{thing}" if task == "aspect" else text, answer))
    return [record(number, *one) for number, one in enumerate(made)]


def train(home: Path, root: Path, task: TaskName, **pretraining: Any) -> Receipt:
    """Run the three stages in a folder, and return the receipt of the pretraining."""
    params = load_params(root / "params.yaml")
    with files.staging_dir(home / "splits") as staging:
        for side in ("train", "valid", "test"):
            parquet.write_texts(staging / f"{side}.parquet", records_of(task))
        files.write_receipt(staging, Receipt("split", notes={"preparation": "2"}))
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    cluster = RayCluster("local", home / "token")
    training = TrainingContext(3, profile, home / "checkpoints", home, "code", cluster)
    start = {**params.encoder.model_dump(), **READING, "start": "scratch", "scratch": SHAPE}
    pretrained = pretrain(
        home / "splits",
        home / "encoder",
        encoder=EncoderConfig.model_validate(start),
        cfg=PretrainConfig.model_validate({**params.pretrain.model_dump(), "steps": 30, **pretraining}),
        limits=params.validation,
        training=training,
        task=task,
    )
    labels = [] if task == "generation" else list(WORDS)
    tuned = {"min_steps": 200, "batch_size": 32, "learning_rate": 5e-3, "eval_every": 100, "save_every": 200}
    finetune(
        home / "splits",
        home / "encoder",
        home / "classifier",
        labels=labels,
        cfg=FinetuneConfig.model_validate({**params.finetune.model_dump(), **tuned}),
        training=training,
        task=task,
        **READING,
    )
    values = params.compress.model_dump()
    budget = {**values["budget"], "max_f1_drop": 1.0, "max_slice_drop": 1.0, "min_agreement": 0.0}
    compress(
        home / "classifier",
        home / "splits",
        home / "candidate",
        labels=labels,
        cfg=CompressConfig.model_validate({**values, "benchmark_texts": 4, "budget": budget}),
        slices=params.evaluate,
        training=training,
        task=task,
        **READING,
    )
    return pretrained


@pytest.mark.parametrize("batch_tokens", [None, pytest.param(512, marks=pytest.mark.slow)])
def test_masked_words_of_bytes_lead_to_a_prediction(
    batch_tokens: int | None, tmp_path: Path, root: Path
) -> None:
    pretrained = train(tmp_path, root, "single_label", batch_tokens=batch_tokens)

    menu = json.loads((tmp_path / "candidate" / "menu.json").read_text("utf-8"))
    document = json.loads((tmp_path / "candidate" / "tokenizer.json").read_text("utf-8"))
    predictor = load_predictor(tmp_path / "candidate")
    found = predictor.predict(["a чудесный garden", "糟糕 电影", "a 😍 song", "🦄 鑫 ༄"])

    assert pretrained.figures["perplexity_after"] < pretrained.figures["perplexity_before"]
    assert pretrained.figures["unknown_tokens"] == 0
    assert document["model"]["type"] == "BPE"
    assert [one["name"] for one in menu["variants"]] == ["fp32", "int8"]
    assert any(one.startswith("trimmed-int8 is skipped") for one in menu["reasons"])
    assert found.labels[:3] == ("good", "bad", "good")
    assert found.unknown == (0.0,) * 4
    digest = files.read_receipt(tmp_path / "classifier").files["model.safetensors"]
    twin = _load(tmp_path / "classifier", digest, READING["max_tokens"], "head")
    explanation = explain_by_gradients(predictor, twin, "a 糟糕 garden 鑫")
    assert [one.word for one in explanation.words] == ["a", "糟糕", "garden", "鑫"]
    assert max(explanation.words, key=lambda one: one.weight).word == "糟糕"


@pytest.mark.slow
def test_entities_of_bytes_have_the_places_of_letters(tmp_path: Path, root: Path) -> None:
    train(tmp_path, root, "token_labels")
    texts = ["what a 糟糕 garden that was", "a 😍 电影"]

    found = load_predictor(tmp_path / "candidate").predict(texts).labels

    spans = [[(text[one["start"] : one["end"]], one["label"]) for one in json.loads(answer)]
             for text, answer in zip(texts, found, strict=True)]  # fmt: skip
    assert spans == [[("糟糕", "bad")], [("😍", "good")]]


@pytest.mark.slow
def test_an_answer_is_written_in_bytes(tmp_path: Path, root: Path) -> None:
    train(tmp_path, root, "generation", objective="causal")

    found = load_predictor(tmp_path / "candidate").predict(["a superb song", "a 很好 film"]).labels

    assert found == ("superb indeed", "很好 indeed")


@pytest.mark.slow
def test_a_text_of_bytes_has_a_target(tmp_path: Path, root: Path) -> None:
    train(tmp_path, root, "aspect")

    found = load_predictor(tmp_path / "candidate").predict(["a чудесный garden\ngarden", "a 😡 电影\n电影"])

    assert found.labels == ("good", "bad")
