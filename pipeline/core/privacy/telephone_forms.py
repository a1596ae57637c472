"""Forms of telephone numbers: whether groups of digits, written as they are, are one.

Digits with a country code are one wherever the code's plan has room for them. Without one they need evidence:
a trunk prefix, an area code in brackets, the grouping of their region, or a word such as "call" before them.
"""

import re
from dataclasses import dataclass

from pipeline.core.privacy import numbering
from pipeline.core.privacy.telephone_words import Context

MAX_NATIONAL = 13  # digits without a country code, trunk prefix included
MIN_TRUNK_DIGITS = 9  # of a number that a trunk prefix alone gives away
MIN_PAIR_DIGITS = 10  # of two groups that their lengths alone give away
MAX_PAIRS = 5  # groups of two digits; more are a list
MAX_ROW = 4  # numbers without anything between them that are checked

AREA = re.compile(r"[(\[],[)\]]")  # a group in brackets
YEAR = re.compile("(?:1[5-9]|20|21)[0-9]{2}")


@dataclass(frozen=True)
class Written:
    """Hold the digits of a candidate, in groups, with what stands between, before and around them."""

    groups: tuple[str, ...]
    gaps: str  # the text with "," for each group
    signed: bool  # with "+" before the country code
    listed: bool  # one of more groups of equal length, such as the numbers of a draw
    context: Context

    @property
    def digits(self) -> str:
        """Return all digits without separators."""
        return "".join(self.groups)

    @property
    def has_area_code(self) -> bool:
        """Return whether one group stands in brackets; where more do, they are numbered points."""
        return len(AREA.findall(self.gaps)) == 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Return the lengths of the groups; digits that all stand apart, as in "2 1 2", are one group."""
        lengths = tuple(map(len, self.groups))
        return (len(lengths),) if set(lengths) == {1} else lengths


def is_telephone(written: Written) -> bool:
    """Return whether these digits, written like this and after these words, are a telephone number."""
    digits = written.digits
    # A heart "<3333333" has as many equal digits as somebody likes.
    if len(set(digits)) == 1:
        return False
    if written.signed:
        return numbering.is_international(digits, leniently=not digits.endswith("000"))
    if _is_dialed_abroad(digits) or _is_american(written):
        return True
    if written.context is Context.LABELLED and not _is_divided(written):
        return False
    return _is_national(written) or (written.context is Context.CUED and _is_cued(written))


def _is_dialed_abroad(digits: str) -> bool:
    return any(
        digits.startswith(prefix) and numbering.is_international(digits[len(prefix) :])
        for prefix in ("00", "011")
    )


def _is_american(written: Written) -> bool:
    """Return whether 3, 3 and 4 digits stand as nobody writes anything else: (123) 456-7890, 123.456.7890."""
    lengths = written.lengths
    if lengths not in ((3, 3, 4), (1, 3, 3, 4)) or (len(lengths) == 4 and written.groups[0] != "1"):
        return False
    return written.gaps[-2:] in ("-,", ".,") or written.has_area_code


def _is_divided(written: Written) -> bool:
    return len(written.groups) > 1 and (written.digits[0] == "0" or written.has_area_code)


def _is_national(written: Written) -> bool:
    digits, lengths = written.digits, written.lengths
    if len(digits) > MAX_NATIONAL or written.listed or (set(lengths) == {2} and len(lengths) > MAX_PAIRS):
        return False
    if _ends_in_years(written):
        return False
    if written.has_area_code or (digits[0] == "0" and len(digits) >= MIN_TRUNK_DIGITS and lengths[0] > 1):
        return numbering.is_national(digits)
    if len(lengths) == 1:
        return numbering.is_unseparated(digits)
    return _is_grouped(written) and not _is_quantity(written)


def _ends_in_years(written: Written) -> bool:
    """Return whether years follow a number, as in "page 66 1986 1990" or "the asteroid (99942) 2004"."""
    first, *rest = written.groups
    if first[0] == "0" or not rest or not all(YEAR.fullmatch(group) for group in rest):
        return False
    return len(rest) > 1 or written.has_area_code


def is_row(digits: str) -> bool:
    """Return whether numbers follow each other without anything between, as far as the first ones tell."""
    return any(
        len(digits) % length == 0
        and all(
            numbering.is_unseparated(digits[at : at + length])
            for at in range(0, min(len(digits), MAX_ROW * length), length)
        )
        for length in (10, 11)
    )


def _is_grouped(written: Written) -> bool:
    digits, lengths = written.digits, written.lengths
    if YEAR.fullmatch(written.groups[0]):
        return False
    if len(lengths) == 2 and len(digits) < MIN_PAIR_DIGITS:
        return False
    # Beside 0, which is dealt with, regions dial 1 or 8 first: joined to the first group, or apart.
    forms = [(lengths, "")]
    if digits[0] in "18":
        forms += [((lengths[0] - 1, *lengths[1:]), digits[0])]
        forms += [(lengths[1:], digits[0])] if lengths[0] == 1 else []
    return any(
        prefix == trunk
        for form, trunk in forms
        for plan in numbering.plans_grouping(form)
        for prefix, _ in plan.readings(digits)
    )


def _is_quantity(written: Written) -> bool:
    """Return whether the digits are a large number in groups of three."""
    lengths = [len(group) for group in written.groups]
    if set(lengths[1:]) != {3} or lengths[0] > 3:
        return False
    return lengths[0] < 3 or written.groups[-1] == "000"


def _is_cued(written: Written) -> bool:
    digits, lengths = written.digits, written.lengths
    if lengths == (3, 4):
        return True
    if numbering.is_international(digits) and len(digits) >= MIN_PAIR_DIGITS:
        return True
    return len(digits) <= MAX_NATIONAL and numbering.is_national(digits)
