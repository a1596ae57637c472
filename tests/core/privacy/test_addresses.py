"""E-mail addresses, however they are spelled, web addresses with secrets, and handles."""

import pytest

from pipeline.core.privacy.masking import mask_pii


@pytest.mark.parametrize(
    "written",
    [
        "john.smith @ example.com",
        "john.smith@ example.com",
        "john.smith＠example.com",
        "john.smith﹫example。com",
        "john (at) example (dot) com",
        "john [at] example dot com",
        "john{at}example[dot]com",
        "john at example dot com",
        "john AT example DOT co DOT uk",
        "john dot smith at example dot com",
        "john(at)example.com",
        "john_at_example.com",
        "john@example dot com",
        "juan arroba example punto com",
        "john%40example.com",
        "o'brien@example.ie",
        "o'brien @ example.ie",
        '"john smith"@example.com',
        "john@[192.168.0.1]",
        "j" * 80 + "@example.com",
    ],
)
def test_an_email_address_is_masked_in_every_spelling(written: str) -> None:
    assert mask_pii(f"ask: {written}, please") == ("ask: [email], please", ("email",))


@pytest.mark.parametrize(
    "text",
    [
        "meet me @ noon",
        "deals @ amazon.com today",
        "bought it at amazon.com",
        "bought it at amazon dot com",
        "look at the dot on the map",
        "5 @ 10$",
        "12 @ 5.99 each",
        "a@b",
        "stay-at-home.dad is a show",
        "@user and @anonymous",
    ],
)
def test_a_place_or_a_price_is_no_email_address(text: str) -> None:
    assert mask_pii(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mailto:joe@x.org?subject=hi", "mailto:[email]?subject=hi"),
        ("joe@x.org;ann@y.org,bob@z.org", "[email];[email],[email]"),
        ("'joe@x.org'", "'[email]'"),
        ("https://x.org/?reset_token=abc is mine", "[address] is mine"),
        ("https://x.org/#access_token=abc", "[address]"),
        ("https://x.org/?" + "a=b&" * 100 + "email=joe", "[address]"),
        ("https://x.org/" + "a" * 600 + "?key=1", "[address]"),
        ("https://x.org/?page=2&sort=price", "https://x.org/?page=2&sort=price"),
        ("mail me: john at example.com", "mail me: [email]"),
        ("john AT example.com", "[email]"),
        ("LOOK AT EXAMPLE.COM", "LOOK AT EXAMPLE.COM"),
        ("he shouted at example.com", "he shouted at example.com"),
        ("@jane_doe.@joe_doe", "[handle]"),
        (".@jane_doe look", ".[handle] look"),
        ("ask u/jane_doe or t.me/jane_doe", "ask u/[handle] or t.me/[handle]"),
        (
            "https://www.instagram.com/jane.doe/ and x.com/search",
            "https://www.instagram.com/[handle]/ and x.com/search",
        ),
        ("＠jane_doe, look", "[handle], look"),
        ("@ja\u200bne_doe, look", "[handle], look"),
    ],
)
def test_addresses_end_where_they_end(text: str, masked: str) -> None:
    assert mask_pii(text)[0] == masked
