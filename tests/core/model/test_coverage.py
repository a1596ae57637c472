"""What a tokenizer does not know, and what it cuts off, is noticed before training."""

import pytest

from pipeline.base.config import EncoderConfig, ValidateConfig
from pipeline.base.errors import DataRejected
from pipeline.core.model.coverage import Coverage, measure_coverage, require_coverage
from pipeline.core.vocabulary import train_byte_pairs, train_wordpiece
from pipeline.io.params_file import load_params

ENGLISH = ["the room was clean and the people were kind", "nobody answered the phone all week"] * 20
CHINESE = ["房间很干净，服务员很热情", "早餐一般，价格太贵了"] * 20


@pytest.fixture(scope="module")
def english() -> str:
    return train_wordpiece(ENGLISH, vocabulary=300)


@pytest.fixture
def limits(root) -> ValidateConfig:
    return load_params(root / "params.yaml").validation


@pytest.fixture
def encoder(root) -> EncoderConfig:
    return load_params(root / "params.yaml").encoder


def test_a_tokenizer_knows_the_texts_it_was_trained_on(english: str) -> None:
    found = measure_coverage(english, ENGLISH, max_tokens=64, sample_texts=1000)

    assert (found.texts, found.unknown_tokens, found.cut_texts, found.cut_words) == (40, 0, 0, 0)


def test_another_language_is_unknown_to_it_and_refused(english: str, limits, encoder) -> None:
    found = measure_coverage(english, CHINESE, max_tokens=64, sample_texts=1000)

    assert found.unknown_share > 0.9
    with pytest.raises(DataRejected, match=r"(?s)unknown to it.*max_unknown_tokens.*`start: scratch`"):
        require_coverage(found, limits, encoder)


def test_words_that_a_tokenizer_leaves_out_are_unknown(limits, encoder) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    letters.pre_tokenizer = pre_tokenizers.WhitespaceSplit()

    found = measure_coverage(letters.to_str(), ["ж щ ю", "a b"], max_tokens=64, sample_texts=9)

    assert (found.tokens, found.unknown_tokens) == (5, 3)
    with pytest.raises(DataRejected, match=r"60\.0% of their tokens are unknown"):
        require_coverage(found, limits, encoder)


def test_a_tokenizer_trained_on_chinese_knows_chinese(limits, encoder) -> None:
    document = train_wordpiece(CHINESE, vocabulary=300)

    coverage = measure_coverage(document, CHINESE, max_tokens=64, sample_texts=9)

    assert coverage.unknown_share == 0
    require_coverage(coverage, limits, encoder)


def test_letters_spelled_by_bytes_are_known_to_what_learns_them() -> None:
    document = train_byte_pairs(["a good room"], vocabulary=300)

    found, learning = (
        measure_coverage(document, CHINESE, max_tokens=64, sample_texts=9, knows_bytes=knows)
        for knows in (False, True)
    )

    assert found.unknown_share > 0.5
    assert learning.unknown_share == 0
    assert learning.tokens == found.tokens > 0


def test_words_beyond_max_tokens_are_counted(english: str) -> None:
    # 18 words, each known as one token; 8 tokens hold 6 words between the special ones.
    texts = [" ".join(["room"] * 18), "room"]

    found = measure_coverage(english, texts, max_tokens=8, sample_texts=1000)

    assert (found.cut_texts, found.cut_words, found.words) == (1, 12, 19)


def test_a_text_that_just_fits_is_not_cut(english: str) -> None:
    found = measure_coverage(english, ["room room room room room room"], max_tokens=8, sample_texts=1)

    assert (found.cut_texts, found.cut_words) == (0, 0)


def test_too_many_cut_words_are_refused_by_the_key_to_change(limits, encoder) -> None:
    found = Coverage(texts=46, tokens=900, unknown_tokens=0, words=100, cut_texts=46, cut_words=77)

    with pytest.raises(DataRejected, match=r"46 of 46 texts .* 77.0% .*`max_tokens` under `encoder`"):
        require_coverage(found, limits, encoder)
