"""Cards and IBANs, however their digits are grouped."""

import pytest

from pipeline.core.privacy.masking import mask_pii


@pytest.mark.parametrize(
    "separator", [" ", "-", ".", "/", "_", "", " - ", "\u00a0", "\u2011", "\u200b", "\u2007"]
)
@pytest.mark.parametrize(
    ("groups", "kind"),
    [
        ("4111 1111 1111 1111", "card"),
        ("5555 5555 5555 4444", "card"),
        ("3782 822463 10005", "card"),
        ("6011 1111 1111 1117", "card"),
        ("3056 930902 5904", "card"),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("gb29 nwbk 6016 1331 9268 19", "iban"),
        ("FR14 2004 1010 0505 0001 3M02 606", "iban"),
        ("NO93 8601 1117 947", "iban"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "iban"),
    ],
)
def test_an_account_number_is_masked_with_any_separator(groups: str, kind: str, separator: str) -> None:
    written = groups.replace(" ", separator)

    assert mask_pii(f"mine is {written}, he said") == (f"mine is [{kind}], he said", (kind,))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("41111111111111115555555555554444", "[card]"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[card]"),
        ("41 11 11 11 11 11 11 11", "[card]"),
        ("4111.1111.1111.1111 12/27", "[card] 12/27"),
        ("卡号4111111111111111谢谢", "卡号[card]谢谢"),
        ("IBANDE89370400440532013000", "IBAN[iban]"),
        ("DE89 3704 0044 0532 0130 00 FR14 2004 1010 0505 0001 3M02 606", "[iban] [iban]"),
        ("BE69539007547034", "BE69539007547034"),
        ("4111.1111.1111.1112", "4111.1111.1111.1112"),
    ],
)
def test_account_numbers_end_where_they_end(text: str, masked: str) -> None:
    assert mask_pii(text)[0] == masked
