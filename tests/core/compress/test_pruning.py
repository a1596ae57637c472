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
from pipeline.core.train.distillation import DistillationObjective
from pipeline.core.train.loop import Schedule, WorkerShard, fit
from pipeline.core.train.objectives import predict_labels
from pipeline.core.train.optimizer import make_optimizer

SETTINGS = {"labels": ["bad", "good"], "max_tokens": 32, "temperature": 1.0, "uncertain": 0.0}


def recipe(**kept):
    whole = {
        "name": "some",
        "vocabulary_min_count": None,
        "layers": 1.0,
        "heads": 1.0,
        "feed_forward": 1.0,
        "int8": False,
    }
    return VariantConfig(**{**whole, **kept})


@pytest.fixture(scope="module")
def batch(method):
    return Batch(*pad(method.train), torch.from_numpy(method.targets), weight=1.0)


@pytest.fixture(scope="module")
def parts(taught, batch):
    return measure_importance(taught, [batch])


def logits(model, batch):
    with torch.inference_mode():
        return model.eval()(batch.tokens_BT, batch.mask_BT)


def test_a_part_that_does_nothing_is_worth_nothing_and_goes_first(taught, batch):
    import copy

    model = copy.deepcopy(taught)
    layer = model.encoder.encoder.layer[1]
    width = layer.attention.self.attention_head_size
    with torch.no_grad():
        layer.attention.output.dense.weight[:, :width] = 0  # the first head's way out
        layer.output.dense.weight[:, 8:] = 0  # all but eight channels

    found = measure_importance(model, [batch])

    assert found.heads[1][0] == 0
    assert found.heads[1][1] > 0
    assert (found.channels[1][8:] == 0).all()
    small = prune_model(model, found, recipe(heads=0.5, feed_forward=0.25))
    # In layer 1 what is left gives the very answer of the whole: nothing that counted was taken.
    kept = small.encoder.encoder.layer[1]
    assert kept.attention.self.num_attention_heads == 1
    assert torch.equal(kept.attention.self.query.weight, layer.attention.self.query.weight[width:])


def test_pruned_matrices_are_really_smaller_and_the_parent_stays(taught, parts, batch):
    before = logits(taught, batch).clone()
    small = prune_model(taught, parts, recipe(layers=0.5, heads=0.5, feed_forward=0.5))

    (layer,) = small.encoder.encoder.layer
    assert layer.attention.self.query.weight.shape == (16, 32)
    assert layer.attention.output.dense.weight.shape == (32, 16)
    assert layer.intermediate.dense.weight.shape == (32, 32)
    assert sum(p.numel() for p in small.parameters()) < 0.6 * sum(p.numel() for p in taught.parameters())
    assert logits(small, batch).shape == before.shape
    assert torch.equal(logits(taught, batch), before)


def test_nothing_taken_changes_nothing(taught, parts, batch):
    assert torch.equal(logits(prune_model(taught, parts, recipe()), batch), logits(taught, batch))


@pytest.mark.parametrize(
    "kept", [{"heads": 0.5}, {"feed_forward": 0.5}, {"layers": 0.5}, {"heads": 0.5, "feed_forward": 0.3}]
)
def test_a_pruned_model_is_exported_as_it_is(taught, parts, tokenizer_json, batch, sentences, kept):
    small = prune_model(taught, parts, recipe(**kept)).eval()
    predictor = Predictor.of(export_onnx(small, max_tokens=32), tokenizer_json, SETTINGS)

    found = predictor.logits([text for text, _ in sentences])

    assert np.allclose(found, logits(small, batch).numpy(), atol=1e-4)


def test_trimming_keeps_what_was_met_and_changes_no_answer_about_it(
    taught, method, tokenizer_json, sentences
):
    texts = [text for text, _ in sentences]
    document, kept = trim_vocabulary(tokenizer_json, method.train, min_count=1)
    small = with_vocabulary(taught, kept).eval()

    assert len(kept) == vocabulary_size(document) < vocabulary_size(tokenizer_json)
    whole = Predictor.of(export_onnx(taught, max_tokens=32), tokenizer_json, SETTINGS).logits(texts)
    trimmed = Predictor.of(export_onnx(small, max_tokens=32), document, SETTINGS).logits(texts)
    assert np.allclose(whole, trimmed, atol=1e-5)


def test_a_word_that_lost_its_piece_is_put_together_from_letters(tokenizer_json):
    vocabulary = json.loads(tokenizer_json)["model"]["vocab"]
    word = max((piece for piece in vocabulary if piece.isalpha()), key=len)
    document, _ = trim_vocabulary(tokenizer_json, [], min_count=1)
    tokens = load_tokenizer(document, 32)

    pieces = [tokens.id_to_token(number) for number in encode(tokens, [word])[0][1:-1]]

    assert "".join(piece.removeprefix("##") for piece in pieces) == word
    assert "[UNK]" not in pieces
    assert word not in json.loads(document)["model"]["vocab"]


def test_a_student_learns_its_teachers_answers_again(taught, parts, method, batch, score_of):
    small = prune_model(taught, parts, recipe(heads=0.5, feed_forward=0.5))
    teacher = logits(taught, batch)
    distil = DistillationObjective(
        student=small,
        teacher_NL=teacher,
        train=method.train,
        targets=method.targets,
        held_out=method.train,
        held_out_targets=method.targets,
        batch_size=16,
        temperature=2.0,
        label_weight=0.3,
        score=score_of,
        seed=3,
    )
    student = distil.model()
    first = loss_of(distil, student)
    for _ in fit(
        student,
        distil,
        make_optimizer(student, weight_decay=0.0),
        Schedule(60, 2e-3, 0.1, 1.0),
        WorkerShard(0, 1, 64),
    ):
        pass

    assert loss_of(distil, student) < max(0.5 * first, 0.02)
    assert (predict_labels(student, method.train) == teacher.argmax(1).numpy()).mean() >= 0.98
    assert distil.judge(student)["accuracy"] >= 0.98


def test_told_only_the_truth_nothing_is_asked_of_the_teacher(taught, method, batch, score_of):
    teacher = torch.full((len(method.train), 2), 7.0)
    held = {"held_out": method.train, "held_out_targets": method.targets, "score": score_of, "seed": 3}
    alone = DistillationObjective(
        student=taught,
        teacher_NL=teacher,
        train=method.train,
        targets=method.targets,
        batch_size=16,
        temperature=2.0,
        label_weight=1.0,
        **held,
    )
    step = alone.batch(0)
    truth = torch.from_numpy(method.targets[alone.deal.rows(0)])

    with torch.inference_mode():
        expected = torch.nn.functional.cross_entropy(taught(step.tokens_BT, step.mask_BT), truth)

    assert loss_of(alone, taught) == pytest.approx(float(expected), rel=1e-5)


def loss_of(method, model):
    with torch.inference_mode():
        return float(method.loss(model.eval(), method.batch(0)))
