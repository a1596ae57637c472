"""What a release is for and where it must not be trusted: sentences based on its own params and metrics."""

from collections.abc import Iterator, Sequence

from pipeline.base.documents.card import ReleaseCard
from pipeline.base.tasks.scores import LOG_LIKELIHOOD, score_key, score_of, score_title
from pipeline.report.fields import get_path

CHANGES = "Language changes, and the metrics hold only for texts like those of the test set."
LANGUAGES = {"en": "English"}


def intended_use(card: ReleaseCard, params: object) -> list[str]:
    """List the uses that the release is meant for."""
    if writes(card):
        return [
            "It writes a text about another, one token after the other, the most probable one each time.",
            f"It is trained for short texts {_language(params)}.",
            "What it writes may assist a person who also reads the text that it is about.",
        ]
    labels = _enumerate([row["label"] for row in card["labels"]])
    return [
        f"It assigns each text one of the labels {labels}, with a probability for each label.",
        f"It is trained for short texts {_language(params)}.",
        "It is meant for the prevalence of labels over many texts and its changes over time: "
        "there its errors are measured and corrected for.",
        "A single prediction may assist a person who also reads the text.",
    ]


def limits(card: ReleaseCard, params: object) -> list[str]:
    """List where the release must not be used, and where it was measured to be weak."""
    return [
        "It must not be used for decisions about individuals: "
        "not to judge, rank, monitor or sanction anyone by what they write.",
        f"It is trained and evaluated only on texts {_language(params)}; "
        "its predictions in any other language mean nothing.",
        *_length(params),
        *_sources(card),
        *_weakest(card),
        *_attack(card),
        *_agreement(card),
        *_uncertain(card),
        *_answers(card),
    ]


def writes(card: ReleaseCard) -> bool:
    """Return whether a release writes texts and has no labels."""
    return score_key(card["metrics"]) == LOG_LIKELIHOOD


def _answers(card: ReleaseCard) -> Iterator[str]:
    if writes(card):
        yield "What it writes may be fluent and false: nothing in its training checks what is true."
        yield "It has no labels: no threshold, no prevalence, no audit of sentiment, no drift of labels."
        yield CHANGES
    else:
        yield f"Each text gets one label, even where its sentiment is mixed or ironic. {CHANGES}"


def _language(params: object) -> str:
    sources = get_path(params, "collect", "sources") or ()
    codes = sorted({str(source["lang"]) for source in sources if get_path(source, "lang")})
    names = [LANGUAGES.get(code, f"the language {code!r}") for code in codes]
    return f"in {_enumerate(names)}" if names else "in the language of its data"


# By encoder.long_texts; earlier releases name none.
LONG_TEXTS = {
    "head": "It reads the first {tokens} tokens of a text and ignores the rest.",
    "head_tail": "Of a text of more than {tokens} tokens it reads so many, from its beginning and its end.",
    "windows": "It reads a text of more than {tokens} tokens in windows of that length, each alone.",
}


def _length(params: object) -> Iterator[str]:
    low, high = (get_path(params, "clean", name) for name in ("min_words", "max_words"))
    if tokens := get_path(params, "encoder", "max_tokens"):
        yield LONG_TEXTS[get_path(params, "encoder", "long_texts") or "head"].format(tokens=tokens)
    if low and high:
        yield f"It is trained and evaluated on texts of {low} to {high} words."


def _sources(card: ReleaseCard) -> Iterator[str]:
    names = [row["name"].partition("=")[2] for row in card["slices"] if row["name"].startswith("source=")]
    if names:
        yield f"Its texts come from {_enumerate(names)}; it is not evaluated on texts from elsewhere."


def _weakest(card: ReleaseCard) -> Iterator[str]:
    slices = [row for row in card["slices"] if score_of(row) is not None]
    if len(slices) > 1:
        worst = min(slices, key=score_of)
        score = f"a {score_title(worst)} of {score_of(worst):.3f} on {worst['texts']:,} texts"
        yield f"Its weakest slice is {worst['name']}, with {score}."
    if len(card["labels"]) > 1:
        label = min(card["labels"], key=lambda row: row["f1"])
        yield f"Its weakest label is {label['label']}, with an F1 of {label['f1']:.3f}."


def _attack(card: ReleaseCard) -> Iterator[str]:
    if attack := card["attack"]:
        yield (
            f"It is sensitive to typos: typos in up to {attack['edits']} words of a text, the worst of "
            f"{attack['tries']} attempts, lower its macro F1 from {attack['macro_f1_before']:.3f} "
            f"to {attack['macro_f1_after']:.3f}."
        )


def _agreement(card: ReleaseCard) -> Iterator[str]:
    if card["human"] and (limit := get_path(card, "human", "limit", "accuracy")) is not None:
        yield (
            f"Somebody who knew the mean of infinitely many raters would get {limit:.1%} of the labels right "
            "(extrapolated): above that, the labels cannot distinguish one model from another."
        )
    elif (ceiling := get_path(card, "human", "ceiling", "accuracy")) is not None:
        yield f"Two halves of the raters agree on {ceiling:.1%} of the texts."


def _uncertain(card: ReleaseCard) -> Iterator[str]:
    if (threshold := card["thresholds"].get("uncertain")) is not None and not writes(card):
        yield (
            f"A prediction with a probability below {threshold:.3f} is marked as uncertain "
            "and should not be relied on."
        )


def _enumerate(words: Sequence[str]) -> str:
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"
