"""What a release is for, and where it must not be trusted: sentences that rest on its own params and figures."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.report.fields import get_path

LANGUAGES = {"en": "English"}


def uses(card: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Say what the release is meant for."""
    labels = _listed([row["label"] for row in card["labels"]])
    return [
        f"It gives each text one of the labels {labels}, with a probability for each label.",
        f"It was made for short texts {_language(params)}.",
        "It is meant for shares over many texts and how they move: there its errors can be counted and reckoned with.",
        "Single answers may help a person who reads the text as well.",
    ]


def limits(card: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Say where the release must not be used, and where it was seen to be weak."""
    return [
        "Not for decisions about single persons: it must not judge, rank, watch or sanction anyone by what they write.",
        f"Only texts {_language(params)} were learnt and measured; in any other language its answers mean nothing.",
        *_length(params),
        *_sources(card),
        *_weakest(card),
        *_attacked(card),
        *_agreement(card),
        *_uncertain(card),
        "A text gets one label, also where its tone is mixed, ironic, or about something else than it seems. "
        "Language moves on, and the figures hold only for texts like those it was measured on.",
    ]


def _language(params: Mapping[str, Any]) -> str:
    codes = sorted(
        {
            str(source["lang"])
            for source in get_path(params, "collect", "sources") or ()
            if get_path(source, "lang")
        }
    )
    return (
        f"in {_listed([LANGUAGES.get(code, f'the language {code!r}') for code in codes])}"
        if codes
        else "in the language of its data"
    )


def _length(params: Mapping[str, Any]) -> Iterator[str]:
    tokens, low, high = (
        get_path(params, "encoder", "max_tokens"),
        get_path(params, "clean", "min_words"),
        get_path(params, "clean", "max_words"),
    )
    if tokens:
        yield f"It reads the first {tokens} tokens of a text; what stands behind them is not seen."
    if low and high:
        yield f"It learnt and was measured on texts of {low} to {high} words."


def _sources(card: Mapping[str, Any]) -> Iterator[str]:
    names = [row["name"].partition("=")[2] for row in card["slices"] if row["name"].startswith("source=")]
    if names:
        yield f"Its texts came from {_listed(names)}; how it does on texts from elsewhere was not measured."


def _weakest(card: Mapping[str, Any]) -> Iterator[str]:
    rows = [row for row in card["slices"] if row["macro_f1"] is not None]
    if len(rows) > 1:
        worst = min(rows, key=lambda row: row["macro_f1"])
        yield f"Its weakest slice is {worst['name']}, with a macro F1 of {worst['macro_f1']:.3f} on {worst['texts']:,} texts."
    if len(card["labels"]) > 1:
        worst = min(card["labels"], key=lambda row: row["f1"])
        yield f"Its weakest label is {worst['label']}, with an F1 of {worst['f1']:.3f}."


def _attacked(card: Mapping[str, Any]) -> Iterator[str]:
    if attack := card["attack"]:
        yield (
            f"It can be misled: slips in up to {attack['edits']} words of a text, the worst of {attack['tries']} tries, bring its macro F1 "
            f"from {attack['macro_f1_before']:.3f} to {attack['macro_f1_after']:.3f}."
        )


def _agreement(card: Mapping[str, Any]) -> Iterator[str]:
    if card["human"] and (ceiling := card["human"]["ceiling"]["accuracy"]) is not None:
        yield (
            f"Two halves of the people who rated agree on {ceiling:.1%} of the texts: "
            "above that, the labels cannot tell one model from another."
        )


def _uncertain(card: Mapping[str, Any]) -> Iterator[str]:
    if (threshold := card["thresholds"].get("uncertain")) is not None:
        yield f"An answer with a probability below {threshold:.3f} is told as uncertain and should not be counted on."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"
