"""A published model as the start of an encoder: its config by an allow-list, its weights by name and shape.

Nothing of it is run: a config that asks for code of its own is refused, and so is what does not fit together.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pipeline.base.errors import ConfigError
from pipeline.core.model.coverage import require_tokenizer
from pipeline.core.model.encoder import NO_TOKEN_IDS, build_encoder, empty_encoder, hidden_states
from pipeline.core.model.families import ACTIVATIONS, FAMILIES, TITLES, allows, family_of

# By which a config names code to download and run.
CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
# By which a config makes another model of the same tensors.
OTHER_MODELS = ("is_decoder", "rope_scaling")
# Tables of constants, which every version of transformers builds anew.
CONSTANTS = ("position_ids", "token_type_ids", "inv_freq")
# Names of the norms in weights of 2018.
EARLIER_NAMES = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))
# So many tokens are read once, to see whether the encoder computes numbers.
FIRST_TOKENS = 4


@dataclass(frozen=True)
class PublishedModel:
    """Hold the config and the weights of an encoder, its word head where one was published, its tokenizer."""

    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    tokenizer: str
    word_head: Mapping[str, Tensor] = field(default_factory=dict)


def read_published(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], tokenizer: str, *, where: str, max_tokens: int
) -> PublishedModel:
    """Return a model whose config, weights and tokenizer fit each other and `max_tokens`.

    `where` names it in errors, and the key of params.yaml that chose it. Raises ConfigError.
    """
    settings = encoder_config(config, where=where)
    tensors, head = _parts(settings, weights, where)
    body = _fitting_weights(settings, tensors, where)
    require_tokenizer(settings, tokenizer, where)
    _require_room(settings, max_tokens, where)
    _require_numbers(settings, body, where)
    return PublishedModel(settings, body, tokenizer, _word_head(settings, head))


def encoder_config(published: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return the entries of a published config that make an encoder: no names, no paths, no code to load.

    Raises ConfigError for another architecture, and for values that make none.
    """
    if asked := [key for key in CODE_KEYS if published.get(key)]:
        raise ConfigError(
            f"{where}: config.json asks for code of its own (`{asked[0]}`), and no code of a model is run. "
            f"Choose a model of another family: {TITLES}."
        )
    kind = published.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise ConfigError(
            f"{where}: config.json is of the architecture {str(kind)[:80]!r}, which is not supported. "
            f"Choose a model of one of these: {TITLES}."
        )
    if asked := [key for key in OTHER_MODELS if published.get(key)]:
        raise ConfigError(
            f"{where}: config.json has `{asked[0]}`, which is not supported. Choose an encoder without it."
        )
    family = FAMILIES[kind]
    _require_values({key: published[key] for key in family.keys if key in published}, where)
    activation = published.get(family.activation, "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ConfigError(
            f"{where}: config.json has the activation {str(activation)[:80]!r}; supported are "
            f"{', '.join(ACTIVATIONS)}. Choose another model."
        )
    return _resolved(published, where)


def _require_values(values: Mapping[str, Any], where: str) -> None:
    for key, value in values.items():
        if not allows(key, value):
            raise ConfigError(f"{where}: config.json has {key}: {str(value)[:80]}, which makes no encoder.")


def _resolved(published: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Complete the entries by the defaults of the family's config."""
    from transformers import AutoConfig

    family = family_of(published["model_type"])
    read = {key: published[key] for key in (*family.keys, *family.earlier_keys) if key in published}
    try:
        config = AutoConfig.for_model(**read, **NO_TOKEN_IDS)
    except Exception as error:  # transformers raises many types for wrong values
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{where}: config.json makes no {family.title} encoder: {reason}") from error
    settings = {key: getattr(config, key, None) for key in family.keys}
    return {key: value for key, value in settings.items() if value is not None}


def _parts(
    settings: Mapping[str, Any], weights: Mapping[str, Tensor], where: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Divide published weights into those of the encoder, by its names, and those of heads."""
    family = family_of(settings["model_type"])
    names = {name: _today(name) for name in weights}
    with_head = any(name.startswith(family.prefix) for name in names.values())
    body: dict[str, Tensor] = {}
    head: dict[str, Tensor] = {}
    for theirs, name in names.items():
        own = name.removeprefix(family.prefix) if with_head else name
        if own.rpartition(".")[2] in CONSTANTS:
            continue
        if own in body:
            raise ConfigError(
                f"{where}: model.safetensors holds {own} twice. Save it anew, or choose another."
            )
        (head if own.startswith(family.heads) else body)[own] = weights[theirs]
    return body, head


def _today(name: str) -> str:
    for earlier, today in EARLIER_NAMES:
        name = name.replace(earlier, today)
    return name


def _fitting_weights(
    settings: Mapping[str, Any], body: Mapping[str, Tensor], where: str
) -> Mapping[str, Tensor]:
    """Return the tensors of the encoder; raise ConfigError unless each is there, and no other."""
    family = family_of(settings["model_type"])
    try:
        # Names and shapes alone: no memory is asked for.
        with torch.device("meta"):
            expected = {
                name: tuple(value.shape) for name, value in empty_encoder(settings).state_dict().items()
            }
    except Exception as error:  # transformers raises many types for wrong values
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{where}: config.json makes no {family.title} encoder: {reason}") from error
    body = {name: value for name, value in body.items() if name in expected or name not in family.spare}
    reasons = [
        _listed("lacks", expected.keys() - body.keys()),
        _listed("has beside them", body.keys() - expected.keys()),
        _listed(
            "has in another shape",
            (
                f"{name} {tuple(body[name].shape)} for {shape}"
                for name, shape in expected.items()
                if name in body and tuple(body[name].shape) != shape
            ),
        ),
        _listed("has not as floats", (name for name, value in body.items() if not value.is_floating_point())),
    ]
    if any(reasons):
        raise ConfigError(
            f"{where}: model.safetensors does not hold the {len(expected):,} tensors of the {family.title} "
            f"encoder that config.json describes: it {'; '.join(filter(None, reasons))}. Put the config.json "
            "and the model.safetensors of one model there, or choose another model."
        )
    return body


def _listed(what: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - 2:,} more" if len(ordered) > 2 else ""
    return f"{what} {', '.join(ordered[:2])}{more}" if ordered else ""


def _require_room(settings: Mapping[str, Any], max_tokens: int, where: str) -> None:
    family = family_of(settings["model_type"])
    missing = [key for key in ("max_position_embeddings", "pad_token_id") if key not in settings]
    if missing and (family.offset_positions or missing != ["pad_token_id"]):
        raise ConfigError(f"{where}: config.json has no `{missing[0]}`. Add it, or choose another model.")
    room = int(settings["max_position_embeddings"])
    if family.offset_positions:
        room -= int(settings["pad_token_id"]) + 1
    if max_tokens > room:
        raise ConfigError(
            f"{where}: this model reads at most {room:,} tokens of a text, and encoder.max_tokens is "
            f"{max_tokens:,}. Write `max_tokens: {room}` under `encoder` in params.yaml."
        )


def _require_numbers(settings: Mapping[str, Any], body: Mapping[str, Tensor], where: str) -> None:
    """Raise ConfigError where a weight is not finite, or the encoder computes what is not."""
    family, choose = family_of(settings["model_type"]), "Save the model anew, or choose another."
    if wrong := [name for name, value in body.items() if not _is_finite(value)]:
        raise ConfigError(
            f"{where}: model.safetensors {_listed('holds what is no finite number in', wrong)}. {choose}"
        )
    try:
        encoder = build_encoder(settings, dropout=0.0, seed=0, weights=body).eval()
        # Two texts, one of them padded.
        tokens_BT = torch.arange(FIRST_TOKENS).repeat(2, 1) % int(settings["vocab_size"])
        mask_BT = torch.ones_like(tokens_BT)
        mask_BT[1, -1] = 0
        with torch.inference_mode():
            hidden_BTD = hidden_states(encoder, tokens_BT, mask_BT)[:, :-1]
    except Exception as error:  # what a wrong value of a config leads to, torch says in many types
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{where}: config.json makes no {family.title} encoder: {reason}") from error
    if not _is_finite(hidden_BTD):
        raise ConfigError(
            f"{where}: the {family.title} encoder computes what is no finite number. Compare config.json "
            f"with that of the model. {choose}"
        )


def _is_finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value.float()).all())


def _word_head(settings: Mapping[str, Any], head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a published word head by the names of ours, empty where none is whole."""
    family = family_of(settings["model_type"])
    found = {ours: head[theirs].float() for theirs, ours in family.word_head.items() if theirs in head}
    if not {"transform.0.weight", "transform.2.weight"} <= found.keys():
        return {}
    inner = found["transform.2.weight"].numel()
    # Some families have no biases here.
    zeros = {"transform.0.bias": inner, "transform.2.bias": inner, "bias": int(settings["vocab_size"])}
    whole = {**{name: torch.zeros(size) for name, size in zeros.items()}, **found}
    width = int(settings.get("hidden_size") or settings["dim"])
    shapes = {"transform.0.weight": (inner, width), "transform.2.weight": (inner,)}
    shapes |= {name: (size,) for name, size in zeros.items()}
    fits = all(tuple(whole[name].shape) == shape for name, shape in shapes.items())
    return whole if fits and all(map(_is_finite, whole.values())) else {}
