"""Words are counted by script: Chinese, Japanese and Thai have no blanks between them."""

import pytest

from pipeline.core.clean.words import count_words


@pytest.mark.parametrize(("text", "number"), [("", 0), ("a b", 2), ("x" * 40, 1), ("x" * 41, 2)])
def test_a_long_piece_counts_as_several_words(text: str, number: int) -> None:
    assert count_words(text) == number


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        # Counted by hand, as a segmenter would part them.
        ("房间 很 干净 ， 服务员 很 热情 ， 下次 还 会 再 来", 10, 12),
        ("この 映画 は とても 面白かった です", 6, 8),
        ("หนัง เรื่อง นี้ สนุก มาก และ นักแสดง เล่น ดี", 7, 11),
    ],
)
def test_words_without_blanks_are_counted_by_their_letters(text: str, low: int, high: int) -> None:
    joined = text.replace(" ", "")

    assert len(joined.split()) == 1
    assert low <= count_words(joined) <= high


def test_latin_words_within_chinese_count_as_words() -> None:
    assert count_words("我喜欢 this phone 很多") == count_words("我喜欢很多") + 2


def test_punctuation_between_runs_is_no_word() -> None:
    assert count_words("好，好。好！") == count_words("好好好")
