"""The suite gives every answer at once, each with what was found and what was asked for."""

import math

import pytest
from cleaning import SMALL_CHANGES
from measured import measured
from text_records import text_record

from pipeline.base.config import ValidateConfig
from pipeline.base.records import TextRecord
from pipeline.base.tasks import TOKEN_LABELS
from pipeline.base.tasks.spans import Span, dump_spans
from pipeline.core.validate.expectations import Check, check

CFG = ValidateConfig(
    min_texts=4,
    min_label_share=0.25,
    max_words=12,
    max_mean_words=10,
    max_duplicate_share=0.2,
    max_quarantine_share=0.4,
    language="en",
    language_min_words=5,
    min_language_share=0.7,
    sample_texts=1000,
    max_residue_share=0.1,
    max_unknown_tokens=0.05,
    max_cut_words=0.1,
    max_shift=0.1,
    likely_wrong=200,
    change=SMALL_CHANGES,
)
LABELS = ("bad", "good")
TEXTS = (
    "the room was clean and the people were kind",
    "nobody answered the phone for the whole week",
    "what a pleasant surprise this little book was",
    "the worst soup that I have ever been served",
)


def record(number: int, **other: str) -> TextRecord:
    text, label = TEXTS[number % 4], LABELS[number % 2]
    return text_record(number, **({"text": text, "label": label} | other))


GOOD = [record(number) for number in range(4)]


def answers(records: list[TextRecord], reasons: tuple[str, ...] = ()) -> dict[str, Check]:
    return {answer.name: answer for answer in check(measured(records), reasons, CFG, LABELS)}


def test_sound_texts_pass_every_check() -> None:
    found = answers(GOOD, ("duplicate", "too long"))

    assert [answer.sentence for answer in found.values() if not answer.passed] == []
    assert found["share of label bad"].found == 0.5
    assert found["share of duplicates"].found == pytest.approx(1 / 6)
    assert found["share quarantined"].found == pytest.approx(1 / 6)
    assert (
        found["share in language en"].sentence
        == "share in language en: 1, at least 0.7 required (validate.min_language_share); "
        "4 of 4 texts judged, 95 % interval 0.5101 to 1"
    )


def test_all_failures_are_reported_at_once() -> None:
    records = [
        record(0, text="<br>the café was <b class=x>closed</b> &amp; dark all week"),
        record(1, id="s:0", text="word " * 13),
        record(2, label="odd", text="das Zimmer war schmutzig und die Leute waren unfreundlich"),
    ]

    failed = {
        answer.name
        for answer in check(measured(records), ("duplicate", "no text", "no text"), CFG, LABELS)
        if not answer.passed
    }

    assert failed == {
        "texts",
        "repeated id",
        "label outside the set",
        "words of the longest text",
        "words of the mean text",
        "share with HTML or mojibake left",
        "share in language en",
    }


def test_one_class_is_refused() -> None:
    found = answers([record(number, label="good") for number in range(4)])

    assert not found["labels"].passed
    assert found["labels"].sentence == "labels: 1, at least 2 required"
    assert found["share of label bad"].found == 0


def test_empty_values_are_none() -> None:
    found = answers([*GOOD, record(4, text="", lang="")])

    assert found["empty text"].sentence == "empty text: 1, none is allowed"
    assert not found["empty lang"].passed


def test_the_language_of_a_word_or_two_is_not_checked() -> None:
    found = answers([record(number, text=f"ok {number}") for number in range(4)])

    assert "share in language en" not in found


def test_no_text_left_is_one_sentence_with_the_reasons() -> None:
    found = check(measured([]), ("too short", "no label", "too short"), CFG, LABELS)

    assert found[0].sentence == "texts: no text is left (2 too short, 1 no label)"
    assert not found[0].passed


def test_nothing_at_all_is_refused_too() -> None:
    (found,) = check(measured([]), (), CFG, LABELS)

    assert found.sentence == "texts: no text is left (nothing was collected)"


def test_every_figure_of_sound_texts_is_a_number() -> None:
    assert all(math.isfinite(answer.found) for answer in check(measured(GOOD), (), CFG, LABELS))


def test_mojibake_and_lost_characters_are_residue() -> None:
    found = answers(
        [
            record(0, text="caf\N{REPLACEMENT CHARACTER} was nice"),
            record(1, text="It’s â€œfineâ€\x9d here"),
            *GOOD[2:],
        ]
    )

    assert found["share with HTML or mojibake left"].found == 0.5


def test_texts_without_blanks_are_judged_by_their_script() -> None:
    texts = ("房间很干净，服务员很热情", "早餐一般，价格太贵了", "下次还会再来住", "空调坏了没人修")
    found = answers([record(number, text=text, lang="zh") for number, text in enumerate(texts)])

    assert not found["share in language en"].passed
    assert found["share in language en"].found == 0
    assert "4 of 4 texts judged" in found["share in language en"].sentence


def test_the_language_of_many_texts_is_judged_on_a_sample_and_says_so() -> None:
    records = [record(number, id=f"s:{number}") for number in range(200)]
    (found,) = [
        one
        for one in check(measured(records, sample_texts=50), (), CFG, LABELS)
        if one.name == "share in language en"
    ]

    assert found.found == 1
    assert found.sentence.endswith("50 of 200 texts judged, 95 % interval 0.9287 to 1")


@pytest.mark.parametrize(("label", "refused"), [("person", []), (None, ["labels", "share of label person"])])
def test_one_label_of_entities_will_do_but_not_none(label: str | None, refused: list[str]) -> None:
    spans = [Span(0, 3, label)] if label else []
    records = [record(number, label=dump_spans(spans)) for number in range(4)]

    found = check(measured(records), (), CFG, ("person",), TOKEN_LABELS)

    assert [one.name for one in found if not one.passed] == refused
