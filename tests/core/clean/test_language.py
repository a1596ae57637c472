"""The language of a text: by its script, by its letters, and undetermined where neither is clear."""

import pytest

from pipeline.core.clean.language import UNDETERMINED, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("房间很干净", "zh"),
        ("好吃", "zh"),
        ("とても面白い映画でした", "ja"),
        ("映画館で見ました", "ja"),
        ("หนังสนุกมาก", "th"),
        ("정말 재미있어요", "ko"),
        ("ຂອບໃຈຫຼາຍໆ", "lo"),
        ("I would buy this again", "en"),
        ("das Zimmer war leider sehr schmutzig", "de"),
        ("我喜欢 the phone that everybody in this office wants to have", "en"),
    ],
)
def test_short_texts_with_clear_letters_are_judged(text: str, language: str) -> None:
    assert detect_language(text, min_words=8) == language


@pytest.mark.parametrize("text", ["", "ok", "10/10", ":)", "好", "wow !!!"])
def test_what_is_not_clear_is_undetermined(text: str) -> None:
    assert detect_language(text, min_words=8) == UNDETERMINED


def test_a_long_text_is_always_judged() -> None:
    text = "la la la la la la la la la"

    assert detect_language(text, min_words=8) != UNDETERMINED
    assert detect_language(text, min_words=10) == UNDETERMINED
