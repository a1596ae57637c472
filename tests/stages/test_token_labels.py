"""The training stages on entities: from splits to the report of a served variant, with a tiny encoder."""

import itertools

import pytest

from pipeline.base.config import CompressConfig, Profile
from pipeline.base.records import Receipt, TextRecord
from pipeline.base.tasks.spans import Span, dump_spans
from pipeline.core.model.tokenizer import vocabulary_size
from pipeline.core.vocabulary import train_wordpiece
from pipeline.io import files, parquet
from pipeline.io.model_folder import write_model
from pipeline.io.params_file import load_params
from pipeline.io.security.ray_cluster import RayCluster
from pipeline.stages.compress import compress
from pipeline.stages.context import TrainingContext
from pipeline.stages.evaluate import evaluate
from pipeline.stages.finetune import finetune

LABELS = ["person", "place"]
NAMES, PLACES = ("Ann Lee", "Bo Chen", "Ida"), ("Lima", "New York", "Oslo")
SENTENCES = ("{} lives in {}", "we met {} in {}", "{} left {} today", "it rained")
TASK = "token_labels"


def record(number: int, sentence: str, name: str, place: str) -> TextRecord:
    text = sentence.format(name, place)
    parts = [(name, "person"), (place, "place")] if name in text else []
    spans = [Span(text.index(part), text.index(part) + len(part), label) for part, label in parts]
    answer = dump_spans(spans)
    return TextRecord(f"{sentence}{number}", text, answer, "mine", f"g{number}", "en", "", "own")


@pytest.fixture
def folders(tmp_path, start):
    """Write splits and an untrained encoder that knows their words."""
    from pipeline.core.model.encoder import build_encoder

    made = itertools.product(SENTENCES, NAMES, PLACES)
    records = [record(number, *one) for number, one in enumerate(made)]
    with files.staging_dir(tmp_path / "splits") as staging:
        for side in ("train", "valid", "test"):
            parquet.write_texts(staging / f"{side}.parquet", records)
        files.write_receipt(staging, Receipt("split", notes={"preparation": "2"}))
    tokenizer = train_wordpiece([one.text for one in records], vocabulary=200)
    config = {**start.config, "vocab_size": vocabulary_size(tokenizer)}
    with files.staging_dir(tmp_path / "encoder") as staging:
        weights = build_encoder(config, dropout=0.0, seed=3).state_dict()
        write_model(staging, weights, config, tokenizer, [])
        files.write_receipt(staging, Receipt("pretrain"))
    return tmp_path


def test_entities_go_from_splits_to_the_report_of_a_variant(folders, root):
    params = load_params(root / "params.yaml")
    profile = Profile(device="cpu", workers=0, micro_batch=64, threads=1, stage_minutes=5)
    cluster = RayCluster("local", folders / "token")
    training = TrainingContext(3, profile, folders / "checkpoints", folders, "code", cluster)
    tuned = {"min_steps": 60, "batch_size": 12, "learning_rate": 5e-3, "eval_every": 30, "save_every": 60}
    splits, classifier, candidate = (folders / name for name in ("splits", "classifier", "candidate"))

    fitted = finetune(
        splits,
        folders / "encoder",
        classifier,
        labels=LABELS,
        max_tokens=32,
        cfg=type(params.finetune).model_validate({**params.finetune.model_dump(), **tuned}),
        training=training,
        task=TASK,
    )
    pruned = {"name": "small-int8", "vocabulary_min_count": 1, "int8": True}
    shares = dict.fromkeys(("layers", "heads", "feed_forward"), 0.5)
    menu = [*params.compress.model_dump()["menu"], {**pruned, **shares}]
    budget = {**params.compress.budget.model_dump(), "max_f1_drop": 1.0, "max_slice_drop": 1.0}
    compressed = compress(
        classifier,
        splits,
        candidate,
        labels=LABELS,
        max_tokens=32,
        cfg=CompressConfig.model_validate(
            {
                **params.compress.model_dump(),
                "menu": menu,
                "benchmark_texts": 4,
                "budget": {**budget, "min_agreement": 0.0},
            }
        ),
        slices=params.evaluate,
        training=training,
        task=TASK,
    )
    evaluated = evaluate(
        candidate,
        splits,
        folders / "encoder",
        folders / "evaluation",
        cfg=params.evaluate.model_copy(update={"resamples": 50}),
        rules={},
        reserve=0.2,
        seed=3,
        threads=1,
        task=TASK,
    )

    assert fitted.figures["valid_macro_f1"] > 0.9
    assert compressed.notes["variant"] in ("fp32", "int8", "trimmed-int8")
    reasons = files.read_json(candidate / "menu.json")["reasons"]
    assert any("small-int8 is skipped" in one and "token_labels" in one for one in reasons)
    report = files.read_json(folders / "evaluation" / "evaluation.json")
    assert report["task"] == TASK
    assert report["macro_f1"] > 0.9
    assert report["attack"] is None
    assert set(report["baselines"]) == {"gazetteer"}
    assert set(report["per_class"]) == set(LABELS)
    assert evaluated.counts["test"] + evaluated.counts["reserved"] == len(SENTENCES) * 9
