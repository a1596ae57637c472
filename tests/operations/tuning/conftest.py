import pytest
import tuning


@pytest.fixture
def workspace(tmp_path, sentences, start, tokenizer_json):
    return tuning.build(tmp_path, sentences, start, tokenizer_json)
