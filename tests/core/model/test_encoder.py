"""The shape of an encoder from scratch is one that exists and that the machine can hold."""

import pytest

from pipeline.base.errors import ConfigError
from pipeline.core.model.encoder import empty_encoder, scratch_config
from pipeline.core.model.language_models import require_bert

SHAPE = {"vocabulary": 200, "width": 32, "layers": 2, "heads": 2, "feed_forward": 64, "max_tokens": 32}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": 33}, r"a width of 33 is not divided by 2 heads\. Write `width: 34`"),
        ({"heads": 64}, r"a width of 32 is not divided by 64 heads\. Write `width: 64`"),
        ({"width": 10**9}, r"this machine has .* GB\. Write fewer `layers`"),
        ({"feed_forward": 10**12}, "this machine has"),
        ({"vocabulary": 10**12}, "this machine has"),
        ({"layers": 10**5, "width": 2, "feed_forward": 2}, r"100,000 layers of width 2 .*\(1,000 at most\)"),
    ],
)
def test_a_shape_that_no_encoder_has_is_refused(change, sentence):
    with pytest.raises(ConfigError, match=f"^encoder.scratch: .*{sentence}"):
        scratch_config(**{**SHAPE, **change}, memory=25e9)


def test_a_shape_that_fits_makes_an_encoder():
    assert empty_encoder(scratch_config(**SHAPE)).config.hidden_size == 32


def test_pairs_of_sentences_need_two_types():
    config = {**scratch_config(**SHAPE), "type_vocab_size": 1}

    require_bert(config)
    with pytest.raises(ConfigError, match=r"has no second `type_vocab_size`.*`objective: masked_words`"):
        require_bert(config, pairs=True)
