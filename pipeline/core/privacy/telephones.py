"""Telephone numbers in a folded text: where they begin and end; telephone_forms says which digits are one."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import regex

from pipeline.core.privacy.folding import WORD
from pipeline.core.privacy.telephone_forms import Written, is_row, is_telephone
from pipeline.core.privacy.telephone_words import Context, read_context

Span = tuple[int, int]

MIN_DIGITS = 7  # of a telephone number; shorter ones are dates, prices and house numbers
MAX_DIGITS = 18  # 15 by the numbering plan of the ITU (E.164), and a prefix such as 011
MIN_CHECKED = 64  # runs and readings of digits in one text; later candidates are masked unchecked
CHARACTERS_CHECKED = 128  # of text, for each further run or reading

# Groups of digits with separators. What may not touch either end is checked apart: that is faster.
RUN = re.compile(r"[0-9](?:[ ()\[\]./_-]{0,4}[0-9]){6,}+")
CURRENCIES = "$€£¥₹"
TOUCHED = regex.compile(
    rf"(?V1)(?:{WORD}(?<!\b(?:tel|phone|mobile|mob|cell|call|fax))|[{CURRENCIES}] ?|#|\d[.,:])\Z",
    regex.IGNORECASE,
)
MAX_TOUCHED = 8  # characters
GROUP = re.compile(r"[0-9]+")
SIGN = regex.compile(r"(?:[(\[]?\+ ?[(\[]?|[(\[])\Z")
MAX_SIGN = 4  # characters
CLOSING = {"(": ")", "[": "]"}
AFTER = regex.compile(rf"(?V1){WORD}|[.,:]\d| ?[%{CURRENCIES}]")
EXTENSION = regex.compile(
    rf"(?V1)(?: ?(?:;ext=|extension|ext|durchwahl|poste|ramal)[.:]? ?| ?[x#]|,,)\d{{1,6}}(?!{WORD})",
    regex.IGNORECASE,
)
DAY, MONTH, YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:1[5-9]|20|21)[0-9]{2}"
HOUR = "[0-2][0-9][0-5][0-9]"
# What looks alike and is cut out: dates in any order, and pairs of years or times.
DATE = re.compile(
    rf"(?<![0-9])(?<![0-9][./-])(?:{YEAR}([./-]){MONTH}\1{DAY}"
    rf"|(?:{DAY}([./-]){MONTH}|{MONTH}([./-]){DAY})(?:\2|\3)(?:{YEAR}|[0-9]{{2}}))(?![./-]?[0-9])"
    rf"|(?<![0-9)])(?<![0-9)][ ./-])(?:{YEAR} ?[/-] ?{YEAR}|{HOUR} ?- ?{HOUR})(?![./-]?[0-9])"
)


def find_telephones(text: str) -> Iterator[Span]:
    """Yield the spans of telephone numbers with their extensions.

    After so many readings only hostile text goes on, and every further candidate counts as a number.
    """
    left = MIN_CHECKED + len(text) // CHARACTERS_CHECKED
    for run in RUN.finditer(text):
        if left <= 0:
            yield run.span()
            continue
        for start, end in _without_dates(text, run.span()):
            groups = [group.span() for group in GROUP.finditer(text, start, end)]
            search = Search(text, groups, run.span(), left)
            yield from search.spans()
            left = search.left


def _without_dates(text: str, run: Span) -> Iterator[Span]:
    past, end = run
    # Without any of these there is no date, and most runs have none.
    if any(separator in text[past:end] for separator in "-./"):
        for date in DATE.finditer(text, past, end):
            yield past, date.start()
            past = date.end()
    yield past, end


@dataclass
class Search:
    """Search the groups of one run from the left, the longest number first, while readings are left."""

    text: str
    groups: Sequence[Span]
    run: Span
    left: int

    def spans(self) -> Iterator[Span]:
        """Yield the spans of the numbers in the run."""
        first, follows = 0, False
        self.left -= 1
        while first < len(self.groups):
            if self.left <= 0:
                yield from self._unchecked(first)
                return
            after = self._number_end(first) if follows or self._is_apart(first) else 0
            follows = bool(after)
            if after:
                yield self._opening(first, after - 1), self._closing(after - 1)
            first = max(after, first + 1)

    def _unchecked(self, first: int) -> Iterator[Span]:
        if sum(end - start for start, end in self.groups[first:]) >= MIN_DIGITS:
            yield self._opening(first, len(self.groups) - 1), self._closing(len(self.groups) - 1)

    def _number_end(self, first: int) -> int:
        """Return the index after the last group of the longest number that begins here, 0 if none does."""
        digits, lasts = 0, []
        if self._length(first) > MAX_DIGITS and is_row(self.text[slice(*self.groups[first])]):
            return first + 1
        for last in range(first, len(self.groups)):
            start, end = self.groups[last]
            digits += end - start
            if digits > MAX_DIGITS:
                break
            if digits >= MIN_DIGITS and self._may_end(last):
                lasts.append(last)
        for last in reversed(lasts):
            self.left -= 1
            if is_telephone(self._written(first, last)):
                return last + 1
        return 0

    def _written(self, first: int, last: int) -> Written:
        text, spans = self.text, self.groups[first : last + 1]
        start, end = self._opening(first, last), spans[-1][1]
        signed = "+" in text[start : spans[0][0]]
        groups = tuple(text[group_start:group_end] for group_start, group_end in spans)
        gaps = GROUP.sub(",", text[start:end])
        if signed and "(0)" in text[start:end]:
            groups = tuple(group for group in groups if group != "0")
        context = Context.CUED if EXTENSION.match(text, end) else self._context
        return Written(groups, gaps, signed, listed=self._is_listed(first, last), context=context)

    @cached_property
    def _context(self) -> Context:
        return read_context(self.text, *self.run)

    def _is_listed(self, first: int, last: int) -> bool:
        lengths = {end - start for start, end in self.groups[first : last + 1]}
        if len(lengths) > 1 or first == last:
            return False
        stretch = range(max(0, first - MAX_DIGITS), min(len(self.groups), last + MAX_DIGITS))
        before = takewhile(lambda at: self._length(at) in lengths, reversed(stretch[: first - stretch.start]))
        after = takewhile(lambda at: self._length(at) in lengths, stretch[last + 1 - stretch.start :])
        return (sum(1 for _ in before) + sum(1 for _ in after)) % (last + 1 - first) > 0

    def _length(self, group: int) -> int:
        start, end = self.groups[group]
        return end - start

    def _is_apart(self, group: int) -> bool:
        start = self.groups[group][0]
        if group:
            return not {" ", "(", "["}.isdisjoint(self.text[self.groups[group - 1][1] : start])
        start -= len(self._sign(group))
        before = self.text[max(0, start - 2) : start]
        # Most numbers stand after a blank, and this is faster.
        if before.endswith(" ") and before[0] not in CURRENCIES:
            return True
        return not TOUCHED.search(self.text, max(0, start - MAX_TOUCHED), start)

    def _may_end(self, last: int) -> bool:
        end = self.groups[last][1]
        if last + 1 == len(self.groups):
            return bool(EXTENSION.match(self.text, end)) or not AFTER.match(self.text, end)
        following = self.groups[last + 1]
        return self.text[end] not in "._-" or following[1] - following[0] >= MIN_DIGITS

    def _opening(self, first: int, last: int) -> int:
        """Return where a number begins: at its sign, or at a bracket that closes inside it."""
        start, end = self.groups[first][0], self.groups[last][1]
        opened = self._sign(first) + self.text[start:end]
        closer = CLOSING.get(opened[0])
        is_closed = not closer or opened.count(closer) == opened.count(opened[0])
        return end - len(opened) + (not is_closed)

    def _sign(self, group: int) -> str:
        start = self.groups[group][0]
        sign = SIGN.search(self.text, max(0, start - MAX_SIGN), start)
        return sign[0] if sign else ""

    def _closing(self, group: int) -> int:
        end = self.groups[group][1]
        extension = EXTENSION.match(self.text, end)
        return extension.end() if extension else end
