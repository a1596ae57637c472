"""Tiny models of every family, as they are published: config, weights with a prefix, tokenizer."""

import json
from pathlib import Path
from typing import Any

ROWS, WIDTH = 300, 32
BODY = {
    "vocab_size": ROWS,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 66,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}
OFFSET = {**BODY, "type_vocab_size": 1, "pad_token_id": 1}
DEBERTA_V3 = {
    **BODY,
    "type_vocab_size": 0,
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
}
MODERN = {
    **BODY,
    "num_hidden_layers": 4,
    "local_attention": 8,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
    "pad_token_id": 3,
}
DISTIL = {
    "vocab_size": ROWS,
    "dim": WIDTH,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 64,
    "max_position_embeddings": 66,
    "pad_token_id": 0,
}
# By the name of the case: the entries of a published config that are no default.
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", **BODY},
    "bert-relu": {"model_type": "bert", **BODY, "hidden_act": "relu"},
    "bert-tanh": {"model_type": "bert", **BODY, "hidden_act": "gelu_new"},
    "roberta": {"model_type": "roberta", **OFFSET},
    "xlm-roberta": {"model_type": "xlm-roberta", **OFFSET},
    "electra": {"model_type": "electra", **BODY, "embedding_size": 16},
    "distilbert": {"model_type": "distilbert", **DISTIL},
    "mpnet": {"model_type": "mpnet", **OFFSET},
    "deberta-v3": {"model_type": "deberta-v2", **DEBERTA_V3},
    "deberta-v2": {"model_type": "deberta-v2", **BODY, "relative_attention": True, "pos_att_type": ["c2p"]},
    "deberta-absolute": {"model_type": "deberta-v2", **BODY},
    "modernbert": {"model_type": "modernbert", **MODERN},
}
PREFIXES = {
    "bert": "bert.",
    "roberta": "roberta.",
    "xlm-roberta": "roberta.",
    "electra": "electra.",
    "distilbert": "distilbert.",
    "mpnet": "mpnet.",
    "deberta-v2": "deberta.",
    "modernbert": "model.",
}
TEXTS = [
    "a good film, a bad meal and a lovely song that was for all of us",
    "what an awful, dreadful hotel room; they sold us a superb train ride",
    "nobody thinks that the garden in the early spring is poor or great",
]


def byte_tokenizer(texts: list[str] = TEXTS) -> str:
    """Return the JSON of a tokenizer of BPE over bytes with the special tokens of RoBERTa, mask last."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ROWS - 1,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(["<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return str(tokenizer.to_str())


def word_tokenizer(padding: int, texts: list[str] = TEXTS) -> str:
    """Return the JSON of a WordPiece tokenizer whose padding has this id."""
    from pipeline.core.vocabulary import train_wordpiece

    content = json.loads(train_wordpiece(texts, vocabulary=ROWS))
    vocabulary = content["model"]["vocab"]
    # As many pieces as the weights have rows.
    vocabulary |= {f"[unused{number}]": number for number in range(len(vocabulary), ROWS)}
    at = next(piece for piece, number in vocabulary.items() if number == padding)
    vocabulary["[PAD]"], vocabulary[at] = padding, vocabulary["[PAD]"]
    for token in content["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    for token in content["post_processor"]["special_tokens"].values():
        token["ids"] = [vocabulary[piece] for piece in token["tokens"]]
    return json.dumps(content)


def tokenizer_of(name: str) -> str:
    """Return the JSON of a tokenizer that fits the model of a case."""
    if name in ("roberta", "xlm-roberta"):
        return byte_tokenizer()
    return word_tokenizer(CONFIGS[name]["pad_token_id"])


def weights_of(name: str, *, noise: float = 0.1) -> dict[str, Any]:
    """Return random weights of the encoder of a case, by the names of its class."""
    import torch

    from pipeline.core.model.encoder import build_encoder
    from pipeline.core.model.published import encoder_config

    encoder = build_encoder(encoder_config(CONFIGS[name], where=name), dropout=0.0, seed=3)
    generator = torch.Generator().manual_seed(2)
    # Norms and biases start as ones and zeros, which would hide that they are left out.
    return {
        key: value + noise * torch.randn(value.shape, generator=generator)
        for key, value in encoder.state_dict().items()
        if value.is_floating_point()
    }


def published(name: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return config, weights with prefix and heads, and tokenizer of a case, as they are published."""
    import torch

    config = CONFIGS[name]
    prefix = PREFIXES[config["model_type"]]
    weights = {f"{prefix}{key}": value for key, value in weights_of(name).items()}
    return (
        {**config, "architectures": ["AnyForMaskedLM"], "transformers_version": "4.0.0"},
        weights | {"classifier.weight": torch.ones(2, WIDTH)},
        tokenizer_of(name),
    )


def write_folder(folder: Path, name: str, **changes: Any) -> Path:
    """Write the three files of a case into a folder; `changes` are entries of its config."""
    from safetensors.torch import save_file

    config, weights, tokenizer = published(name)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**config, **changes}), "utf-8")
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")
    return folder
