"""Answers: a text counts for nothing in the loss, and no token sees what is behind it."""

import pytest
import torch


def loss_of(objective, model, tokens, batch):
    changed = type(batch)(tokens, batch.mask_BT, batch.targets, batch.weight)
    with torch.inference_mode():
        return float(objective.loss(model, changed))


def test_only_the_tokens_of_answers_are_targets(answers):
    batch = answers.valid_batch([0, 1])

    for tokens_T, targets_T, mask_T in zip(batch.tokens_BT, batch.targets, batch.mask_BT, strict=True):
        length = int(mask_T.sum())
        assert targets_T[2 : length - 1].tolist() == tokens_T[3:length].tolist()
        assert (targets_T[:2] == -100).all()
        assert (targets_T[length - 1 :] == -100).all()
    assert batch.weight == float(batch.mask_BT.sum()) - 2 * 3


def test_the_last_token_is_a_target_and_never_an_input(answers):
    model, batch = answers.build_model().eval(), answers.valid_batch([0])
    changed_BT = batch.tokens_BT.clone()
    changed_BT[0, -1] = 7

    assert loss_of(answers, model, changed_BT, batch) == pytest.approx(
        loss_of(answers, model, batch.tokens_BT, batch)
    )


def test_an_answer_depends_on_its_text(answers):
    model, batch = answers.build_model().eval(), answers.valid_batch([0])
    changed_BT = batch.tokens_BT.clone()
    changed_BT[0, 1] = 7

    before, after = (loss_of(answers, model, one, batch) for one in (batch.tokens_BT, changed_BT))
    assert abs(before - after) > 1e-6
