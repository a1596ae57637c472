import json

import numpy as np
import pytest
import torch

from pipeline.base.config import VariantConfig
from pipeline.core.compress.onnx_export import export_onnx
from pipeline.core.compress.pruning import measure_importance, prune_model, with_vocabulary
from pipeline.core.compress.vocabulary import trim_vocabulary
from pipeline.core.model.predictor import Predictor
from pipeline.core.model.tokenizer import encode, load_tokenizer, vocabulary_size
from pipeline.core.train.batches import Batch, pad
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.objectives import predict_labels
from pipeline.core.train.objectives.teacher import DistillationObjective
from pipeline.core.train.optimizer import make_optimizer

SETTINGS = {"labels": ["bad", "good"], "max_tokens": 32, "temperature": 1.0, "uncertain": 0.0}


def variant(**shares):
    uncompressed = {
        "name": "some",
        "vocabulary_min_count": None,
        "layers": 1.0,
        "heads": 1.0,
        "feed_forward": 1.0,
        "int8": False,
    }
    return VariantConfig(**{**uncompressed, **shares})


@pytest.fixture(scope="module")
def batch(objective):
    return Batch(*pad(objective.train.tokens), torch.from_numpy(objective.train.labels), weight=1.0)


@pytest.fixture(scope="module")
def importance(classifier, batch):
    return measure_importance(classifier, [batch])


def logits(model, batch):
    with torch.inference_mode():
        return model.eval()(batch.tokens_BT, batch.mask_BT)


def test_a_part_without_effect_has_no_importance_and_is_pruned_first(classifier, batch):
    import copy

    model = copy.deepcopy(classifier)
    layer = model.encoder.encoder.layer[1]
    width = layer.attention.self.attention_head_size
    with torch.no_grad():
        layer.attention.output.dense.weight[:, :width] = 0  # the first head's way out
        layer.output.dense.weight[:, 8:] = 0  # all but eight channels

    measured = measure_importance(model, [batch])

    assert measured.heads[1][0] == 0
    assert measured.heads[1][1] > 0
    assert (measured.channels[1][8:] == 0).all()
    small = prune_model(model, measured, variant(heads=0.5, feed_forward=0.25))
    # Layer 1 computes the same as before: what is removed has no effect.
    kept = small.encoder.encoder.layer[1]
    assert kept.attention.self.num_attention_heads == 1
    assert torch.equal(kept.attention.self.query.weight, layer.attention.self.query.weight[width:])


def test_pruned_matrices_are_smaller_and_the_teacher_is_unchanged(classifier, importance, batch):
    before = logits(classifier, batch).clone()
    small = prune_model(classifier, importance, variant(layers=0.5, heads=0.5, feed_forward=0.5))

    (layer,) = small.encoder.encoder.layer
    assert layer.attention.self.query.weight.shape == (16, 32)
    assert layer.attention.output.dense.weight.shape == (32, 16)
    assert layer.intermediate.dense.weight.shape == (32, 32)
    assert sum(p.numel() for p in small.parameters()) < 0.6 * sum(p.numel() for p in classifier.parameters())
    assert logits(small, batch).shape == before.shape
    assert torch.equal(logits(classifier, batch), before)


def test_pruning_nothing_changes_nothing(classifier, importance, batch):
    assert torch.equal(
        logits(prune_model(classifier, importance, variant()), batch), logits(classifier, batch)
    )


@pytest.mark.parametrize(
    "kept", [{"heads": 0.5}, {"feed_forward": 0.5}, {"layers": 0.5}, {"heads": 0.5, "feed_forward": 0.3}]
)
def test_a_pruned_model_is_exported_with_equal_logits(
    classifier, importance, tokenizer_json, batch, sentences, kept
):
    small = prune_model(classifier, importance, variant(**kept)).eval()
    predictor = Predictor.of(export_onnx(small, max_tokens=32), tokenizer_json, SETTINGS)

    exported = predictor.logits([text for text, _ in sentences])

    assert np.allclose(exported, logits(small, batch).numpy(), atol=1e-4)


def test_trimming_keeps_training_words_and_their_logits(classifier, objective, tokenizer_json, sentences):
    texts = [text for text, _ in sentences]
    document, kept = trim_vocabulary(tokenizer_json, objective.train.tokens, min_count=1)
    small = with_vocabulary(classifier, kept).eval()

    assert len(kept) == vocabulary_size(document) < vocabulary_size(tokenizer_json)
    whole = Predictor.of(export_onnx(classifier, max_tokens=32), tokenizer_json, SETTINGS).logits(texts)
    trimmed = Predictor.of(export_onnx(small, max_tokens=32), document, SETTINGS).logits(texts)
    assert np.allclose(whole, trimmed, atol=1e-5)


def test_the_ends_of_a_text_keep_their_ids_where_only_they_are_named(tokenizer_json):
    content = json.loads(tokenizer_json)
    # As in vocabularies of BERT, whose special tokens come after a hundred others.
    vocabulary = {piece: number for number, piece in enumerate(reversed(content["model"]["vocab"]))}
    content["model"]["vocab"] = vocabulary
    for token in content["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    ends = {end: [name, vocabulary[name]] for end, name in (("cls", "[CLS]"), ("sep", "[SEP]"))}
    content["post_processor"] = {"type": "BertProcessing", **ends}

    document, _ = trim_vocabulary(json.dumps(content), [], min_count=1)
    tokens = load_tokenizer(document, 32).encode("good").tokens

    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")


def test_a_word_without_its_piece_is_written_in_letters(tokenizer_json):
    vocabulary = json.loads(tokenizer_json)["model"]["vocab"]
    word = max((piece for piece in vocabulary if piece.isalpha()), key=len)
    document, _ = trim_vocabulary(tokenizer_json, [], min_count=1)
    tokens = load_tokenizer(document, 32)

    pieces = [tokens.id_to_token(number) for number in encode(tokens, [word])[0][1:-1]]

    assert "".join(piece.removeprefix("##") for piece in pieces) == word
    assert "[UNK]" not in pieces
    assert word not in json.loads(document)["model"]["vocab"]


def test_a_student_learns_the_logits_of_its_teacher(classifier, importance, objective, batch, score_function):
    small = prune_model(classifier, importance, variant(heads=0.5, feed_forward=0.5))
    teacher = logits(classifier, batch)
    distillation = DistillationObjective(
        student=small,
        teacher_NL=teacher,
        train=objective.train,
        valid=objective.train,
        batch_size=16,
        temperature=2.0,
        label_weight=0.3,
        score=score_function,
        seed=3,
    )
    student = distillation.build_model()
    first = loss_of(distillation, student)
    for _ in fit(
        student,
        distillation,
        make_optimizer(student, weight_decay=0.0),
        Schedule(60, 2e-3, 0.1, 1.0),
        WorkerShard(0, 1, 64),
    ):
        pass

    assert loss_of(distillation, student) < max(0.5 * first, 0.02)
    assert (predict_labels(student, objective.train.tokens) == teacher.argmax(1).numpy()).mean() >= 0.98
    assert distillation.evaluate(student)["accuracy"] >= 0.98


def test_with_a_label_weight_of_one_the_teacher_has_no_effect(classifier, objective, batch, score_function):
    teacher = torch.full((len(objective.train.tokens), 2), 7.0)
    labels_only = DistillationObjective(
        student=classifier,
        teacher_NL=teacher,
        train=objective.train,
        valid=objective.train,
        batch_size=16,
        temperature=2.0,
        label_weight=1.0,
        score=score_function,
        seed=3,
    )
    step = labels_only.batch(0)
    truth = torch.from_numpy(objective.train.labels[labels_only.sampler.rows(0)])

    with torch.inference_mode():
        expected = torch.nn.functional.cross_entropy(classifier(step.tokens_BT, step.mask_BT), truth)

    assert loss_of(labels_only, classifier) == pytest.approx(float(expected), rel=1e-5)


def loss_of(objective, model):
    with torch.inference_mode():
        return float(objective.loss(model.eval(), objective.batch(0)))
