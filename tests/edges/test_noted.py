"""What the service keeps of a text."""

import pytest

from pipeline.stages.serving import noted


@pytest.mark.parametrize(
    "text", ["write to joe@x.example", "write to joe&#64;x.example", "write to jo​e@x.example", "write to <b>joe</b>@x.example"]
)
def test_an_address_is_masked_however_it_is_hidden(text: str) -> None:
    (note,) = noted([text], min_words=8)

    assert note["text"] == "write to [email]"
    assert (note["words"], note["lang"]) == (3, "und")
