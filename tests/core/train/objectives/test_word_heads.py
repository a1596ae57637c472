"""Whatever a word head learns next, it begins as it was published."""

from dataclasses import replace

import pytest
import torch

from pipeline.core.model.heads import MaskedLanguageModel


@pytest.mark.parametrize("name", ["masked_words", "packed_words", "next_sentence"])
def test_a_published_word_head_is_where_training_begins(name, request):
    objective = request.getfixturevalue(name)
    head = {
        key: torch.full_like(value, 0.25)
        for key, value in MaskedLanguageModel(objective.start.encoder(1)).state_dict().items()
        if not key.startswith("encoder.")
    }

    model = replace(objective, start=replace(objective.start, word_head=head)).build_model()

    found = model.state_dict()
    assert head
    assert all(torch.equal(found[key], value) for key, value in head.items())
