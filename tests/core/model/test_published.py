"""A published model is read by an allow-list, and what does not fit is refused in one sentence."""

import json
from typing import Any

import pytest
import torch
from tiny_starts import CONFIGS, published, word_tokenizer

from pipeline.base.errors import ConfigError
from pipeline.core.model.encoder import EncoderSettings, build_encoder, hidden_states
from pipeline.core.model.heads import MaskedLanguageModel
from pipeline.core.model.published import PublishedModel, encoder_config, read_published

WHERE = "encoder.folder of params.yaml (mine)"


def read(config: dict[str, Any], weights: dict[str, Any], tokenizer: str, **changes: Any) -> PublishedModel:
    return read_published(config, weights, tokenizer, **{"where": WHERE, "max_tokens": 32} | changes)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_a_model_of_each_family_is_read_whole(name: str) -> None:
    config, weights, tokenizer = published(name)

    model = read(config, weights, tokenizer)
    encoder = build_encoder(model.config, dropout=0.0, seed=1, weights=model.weights)

    stored = json.loads(json.dumps(model.config))
    assert "architectures" not in stored
    assert encoder_config(stored, where=WHERE) == model.config
    table = encoder.get_input_embeddings().weight
    assert any(torch.equal(table, value) for value in weights.values())


def test_a_bert_keeps_the_entries_that_earlier_models_have() -> None:
    config, weights, tokenizer = published("bert")

    assert list(read(config, weights, tokenizer).config) == list(EncoderSettings.__annotations__)


def test_weights_without_a_prefix_with_the_names_of_2018_and_in_half_precision_are_read() -> None:
    config, weights, tokenizer = published("bert")
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    earlier = {"embeddings.position_ids": torch.arange(66)[None], "pooler.dense.weight": torch.zeros(2, 2)}
    for key, value in weights.items():
        own = key.removeprefix("bert.")
        for today, then in names.items():
            own = own.replace(today, then)
        earlier[own] = value.half()

    model = read(config, earlier, tokenizer)
    encoder = build_encoder(model.config, dropout=0.0, seed=1, weights=model.weights)

    assert encoder.get_input_embeddings().weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"auto_map": {"AutoModel": "code.Mine"}},
            r"asks for code of its own \(`auto_map`\).*Choose a model",
        ),
        ({"model_type": "mamba"}, r"architecture 'mamba'.*BERT, RoBERTa.*ModernBERT"),
        ({"model_type": None}, r"architecture 'None'"),
        ({"model_type": ["bert"]}, r"not supported"),
        ({"is_decoder": True}, r"has `is_decoder`, which is not supported"),
        ({"rope_scaling": {"type": "yarn"}}, r"has `rope_scaling`"),
        ({"num_hidden_layers": 5000}, r"num_hidden_layers: 5000"),
        ({"hidden_act": "swish"}, r"activation 'swish'; supported are gelu"),
        ({"hidden_act": {"a": 1}}, r"activation"),
        ({"vocab_size": "many"}, r"makes no BERT encoder"),
        ({"num_hidden_layers": 10**12}, r"num_hidden_layers: 1000000000000"),
        ({"hidden_size": -32}, r"makes no BERT encoder"),
        ({"num_attention_heads": 5}, r"makes no BERT encoder"),
        ({"num_hidden_layers": 3}, r"lacks encoder\.layer\.2\..* and 14 more.*config\.json and the model"),
        ({"num_hidden_layers": 1}, r"has beside them encoder\.layer\.1\."),
        ({"hidden_size": 64}, r"has in another shape"),
        ({"vocab_size": 900}, r"has in another shape"),
        ({"pad_token_id": 5}, r"padding is 0 in tokenizer\.json and 5 in config\.json"),
        ({"max_position_embeddings": 16}, r"another shape"),
        ({"num_attention_heads": 0}, r"makes no BERT encoder"),
        ({"num_attention_heads": -1}, r"makes no BERT encoder"),
        ({"vocab_size": 0}, r"makes no BERT encoder|another shape"),
        ({"initializer_range": -0.5}, r"makes no BERT encoder"),
        ({"layer_norm_eps": -0.5}, r"layer_norm_eps: -0\.5"),
    ],
)
def test_a_config_that_makes_no_such_encoder_is_refused(change: dict[str, Any], sentence: str) -> None:
    config, weights, tokenizer = published("bert")

    with pytest.raises(ConfigError, match=f"(?s)^encoder.folder of params.yaml \\(mine\\).*{sentence}"):
        read({**config, **change}, weights, tokenizer)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("deberta-v3", {"norm_rel_ebd": 3}),
        ("deberta-v3", {"num_attention_heads": 0}),
        ("deberta-v3", {"pos_att_type": "zzz"}),
        ("deberta-v3", {"pos_att_type": ["c2p", "p2p"]}),
        ("deberta-v3", {"pos_att_type": "c2p|zzz"}),
        ("deberta-v3", {"pos_att_type": ["C2P"]}),
        ("deberta-v3", {"pos_att_type": ["c2p|p2c"]}),
        ("deberta-v3", {"pos_att_type": 3}),
        ("modernbert", {"local_attention": -3}),
        ("modernbert", {"local_attention": 0}),
        ("modernbert", {"norm_eps": -1e-5}),
        ("modernbert", {"global_rope_theta": 0}),
        ("modernbert", {"local_rope_theta": 2**70}),
        ("modernbert", {"max_position_embeddings": None}),
        ("electra", {"hidden_size": 0}),
        ("distilbert", {"n_heads": -1}),
        ("roberta", {"max_position_embeddings": "many"}),
    ],
)
def test_a_value_that_no_encoder_of_a_family_has_is_refused(name: str, change: dict[str, Any]) -> None:
    config, weights, tokenizer = published(name)

    with pytest.raises(ConfigError, match=r"^encoder\.folder of params\.yaml \(mine\): .*config\.json"):
        read({**config, **change}, weights, tokenizer)


@pytest.mark.parametrize("kinds", ["p2c|c2p", "C2P | P2C", ["c2p"], [], None])
def test_a_deberta_attends_to_positions_in_either_direction_or_none(kinds: object) -> None:
    config, _, _ = published("deberta-v3")

    found = encoder_config({**config, "pos_att_type": kinds}, where=WHERE).get("pos_att_type")

    assert sorted(found or []) == ([] if not kinds else ["c2p"] if kinds == ["c2p"] else ["c2p", "p2c"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.bias"])
def test_weights_that_are_no_numbers_are_refused_by_name(name: str, value: float) -> None:
    config, weights, tokenizer = published("bert")
    weights[f"bert.{name}"].view(-1)[-1] = value

    with pytest.raises(ConfigError, match=rf"holds what is no finite number in {name}\. Save the model anew"):
        read(config, weights, tokenizer)


def test_weights_too_large_to_compute_with_are_refused() -> None:
    config, weights, tokenizer = published("bert")

    with pytest.raises(ConfigError, match="computes what is no finite number"):
        read(config, {name: value * 1e30 for name, value in weights.items()}, tokenizer)


def test_a_word_head_that_is_no_number_is_left_out() -> None:
    config, weights, tokenizer = published("roberta")
    head = {
        "lm_head.dense.weight": torch.full((32, 32), torch.nan),
        "lm_head.layer_norm.weight": torch.ones(32),
    }

    assert not read(config, weights | head, tokenizer).word_head


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v3", "modernbert"])
def test_missing_and_unexpected_tensors_are_named(name: str) -> None:
    config, weights, tokenizer = published(name)
    first, *_ = weights

    with pytest.raises(ConfigError, match="lacks"):
        read(config, {key: value for key, value in weights.items() if key != first}, tokenizer)
    prefix = first.split(".")[0]
    with pytest.raises(ConfigError, match=r"has beside them encoder\.adapter"):
        read(config, {**weights, f"{prefix}.encoder.adapter": torch.ones(2)}, tokenizer)
    with pytest.raises(ConfigError, match="has not as floats"):
        read(config, {**weights, first: weights[first].to(torch.int8)}, tokenizer)


def test_positions_that_a_model_does_without_are_left_out() -> None:
    config, weights, tokenizer = published("deberta-v3")
    name = "embeddings.position_embeddings.weight"

    model = read(config, {**weights, f"deberta.{name}": torch.ones(66, 32)}, tokenizer)

    assert name not in model.weights
    config, weights, tokenizer = published("deberta-v2")
    assert name in read(config, weights, tokenizer).weights


def test_a_tokenizer_of_another_model_is_refused() -> None:
    config, weights, _ = published("bert")
    large = word_tokenizer(0, [f"word{number} other{number}" for number in range(999)])

    with pytest.raises(ConfigError, match=r"do not fit the tokenizer: tokenizer\.json has"):
        read(
            {**config, "vocab_size": 100},
            weights | {"bert.embeddings.word_embeddings.weight": torch.ones(100, 32)},
            large,
        )
    rows = {"bert.embeddings.word_embeddings.weight": torch.ones(3000, 32)}
    with pytest.raises(ConfigError, match=r"rows for 3,000"):
        read({**config, "vocab_size": 3000}, weights | rows, large)


@pytest.mark.parametrize("document", ["{}", '{"model": {"type": "BPE", "vocab": 3}}', "[]"])
def test_what_is_no_tokenizer_is_refused(document: str) -> None:
    config, weights, _ = published("bert")

    with pytest.raises(ConfigError, match=r"tokenizer\.json cannot be read"):
        read(config, weights, document)


def test_a_tokenizer_without_a_mask_token_is_refused() -> None:
    config, weights, tokenizer = published("bert")

    with pytest.raises(ConfigError, match="no mask token"):
        read(config, weights, tokenizer.replace("[MASK]", "[OTHER]"))


def changed(tokenizer: str, **changes: Any) -> str:
    """Return a tokenizer with other entries, and of its model without a piece."""
    content = json.loads(tokenizer)
    if piece := changes.pop("without", None):
        del content["model"]["vocab"][piece]
        content["added_tokens"] = [one for one in content["added_tokens"] if one["content"] != piece]
    if special := changes.pop("ids_of_special", None):
        for token in content["post_processor"]["special_tokens"].values():
            token["ids"] = special
    if changes.pop("special_alone", False):
        names = [one["content"] for one in content["added_tokens"]]
        vocabulary = content["model"]["vocab"]
        content["model"]["vocab"] = {name: vocabulary[name] for name in names}
    return json.dumps({**content, **changes})


NOTHING = {"type": "Replace", "pattern": {"Regex": "."}, "content": ""}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"without": "[UNK]"}, r"cannot be read \(.*Missing \[UNK\]"),
        ({"post_processor": None}, r"puts no token around a text \(`post_processor`\)"),
        ({"ids_of_special": [5000]}, "the largest id is 5,000, and the weights have rows for 300"),
        ({"normalizer": NOTHING}, "makes no token of a word"),
        ({"special_alone": True}, "makes no token of a word"),
    ],
)
def test_a_tokenizer_that_reads_no_texts_is_refused(change: dict[str, Any], sentence: str) -> None:
    config, weights, tokenizer = published("bert")

    with pytest.raises(ConfigError, match=sentence):
        read(config, weights, changed(tokenizer, **change))


@pytest.mark.parametrize(("name", "room"), [("bert", 66), ("roberta", 64), ("mpnet", 64)])
def test_more_tokens_than_the_model_has_positions_are_refused(name: str, room: int) -> None:
    config, weights, tokenizer = published(name)

    read(config, weights, tokenizer, max_tokens=room)
    with pytest.raises(ConfigError, match=rf"at most {room} tokens.*`max_tokens: {room}`"):
        read(config, weights, tokenizer, max_tokens=room + 1)


def test_padding_changes_nothing_in_a_family_that_counts_positions_by_it() -> None:
    config, weights, tokenizer = published("roberta")
    model = read(config, weights, tokenizer)
    encoder = build_encoder(model.config, dropout=0.0, seed=1, weights=model.weights).eval()
    tokens = torch.tensor([[0, 40, 50, 2], [0, 60, 2, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])

    with torch.inference_mode():
        padded = hidden_states(encoder, tokens, mask)[1, :3]
        alone = hidden_states(encoder, tokens[1:, :3], mask[1:, :3])[0]

    assert torch.allclose(padded, alone, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "electra", "mpnet", "modernbert"])
def test_a_published_word_head_predicts_as_that_of_transformers(name: str) -> None:
    from transformers import AutoConfig, AutoModelForMaskedLM

    config, _, tokenizer = published(name)
    torch.manual_seed(5)
    theirs = AutoModelForMaskedLM.from_config(AutoConfig.for_model(**config)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    tokens = torch.tensor([[5, 40, 50, 60, 70]])
    mask = torch.ones_like(tokens)

    model = read(config, theirs.state_dict(), tokenizer)
    encoder = build_encoder(model.config, dropout=0.0, seed=1, weights=model.weights)
    ours = MaskedLanguageModel(encoder, model.word_head).eval()

    assert model.word_head
    with torch.inference_mode():
        expected = theirs(input_ids=tokens, attention_mask=mask).logits[0]
        assert torch.allclose(ours(tokens, mask, mask.bool()), expected, atol=1e-4)


def test_half_a_word_head_is_left_out() -> None:
    config, weights, tokenizer = published("roberta")

    assert not read(config, weights | {"lm_head.dense.weight": torch.ones(32, 32)}, tokenizer).word_head
    wrong = {"lm_head.dense.weight": torch.ones(9, 32), "lm_head.layer_norm.weight": torch.ones(32)}
    assert not read(config, weights | wrong, tokenizer).word_head


def test_a_word_head_of_another_shape_is_left_out() -> None:
    config, weights, tokenizer = published("bert")
    names = ("cls.predictions.transform.dense.weight", "cls.predictions.transform.LayerNorm.weight")

    model = read(config, weights | dict.fromkeys(names, torch.tensor(1.0)), tokenizer)

    assert model.word_head == {}


def test_a_tensor_under_two_names_is_refused() -> None:
    config, weights, tokenizer = published("bert")
    name = "embeddings.LayerNorm.bias"

    with pytest.raises(ConfigError, match=rf"model\.safetensors holds {name} twice"):
        read(config, weights | {name: torch.zeros(32)}, tokenizer)
