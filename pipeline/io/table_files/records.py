"""Records of delimited text with true line numbers: a quote that is never closed costs its own line only."""

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.io.table_files.encodings import broken_bytes

# Few enough that their cells stay in the processor's cache.
BLOCK_LINES = 512
# A record that goes on for longer than this has an opening quote that is never closed.
MAX_RECORD_CHARACTERS = 4_000_000
# Stands for a delimiter of several characters; no text holds it.
UNIT_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Form:
    """Hold what parts cells: a delimiter, a quote or None, an escape or None, and the number of columns."""

    delimiter: str
    quote: str | None
    escape: str | None
    width: int

    def options(self, *, strict: bool) -> dict[str, Any]:
        """Return the arguments of `csv.reader`."""
        quoting = {"quoting": csv.QUOTE_NONE} if self.quote is None else {"quotechar": self.quote}
        single = self.delimiter if len(self.delimiter) == 1 else UNIT_SEPARATOR
        return {"delimiter": single, "escapechar": self.escape, "strict": strict, **quoting}


@dataclass(frozen=True)
class BrokenLine:
    """Hold a physical line that gives no record, and why."""

    line: int
    reason: str
    content: str


@dataclass
class Repairs:
    """Count the lines whose quotes were taken as characters, and hold the first of them."""

    lines: int = 0
    first: int = 0


Cells = list[str]
Parsed = tuple[int, Cells] | BrokenLine


@dataclass(frozen=True)
class Block:
    """Hold the records of some lines: `plain` where each line is a sound one, else `parsed`."""

    plain: list[Cells] = field(default_factory=list)
    parsed: list[Parsed] = field(default_factory=list)


@dataclass
class RecordReader:
    """Read records from the physical lines of a file, the first of which has the number `line`."""

    form: Form
    where: str
    line: int = 1
    repairs: Repairs = field(default_factory=Repairs)

    def read(self, lines: Iterator[str]) -> Iterator[Block]:
        """Yield the records of some thousand lines at a time; a broken line gives none."""
        if len(self.form.delimiter) > 1:
            lines = (line.replace(self.form.delimiter, UNIT_SEPARATOR) for line in lines)
        carried: list[str] = []
        while True:
            # Of a long record each round reads as much again, so that no line is parsed very often.
            asked = max(BLOCK_LINES, len(carried))
            block = list(itertools.islice(lines, asked))
            last = len(block) < asked
            block = carried + block
            if not block:
                return
            plain = self._parse_fast(block)
            carried = []
            if plain is not None:
                yield Block(plain=plain)
            else:
                parsed, used = self._parse_slow(block, last)
                carried = block[used:]
                block = block[:used]
                yield Block(parsed=parsed)
            self.line += len(block)
            if last and not carried:
                return

    def _parse_fast(self, block: list[str]) -> list[Cells] | None:
        """Return the records of a block in which each line is a sound one, None for any other block."""
        if broken_bytes(block):
            return None
        try:
            rows = list(csv.reader(block, **self.form.options(strict=True)))
        except csv.Error:
            return None
        if len(rows) != len(block) or set(map(len, rows)) != {self.form.width}:
            return None
        return rows

    def _parse_slow(self, block: list[str], last: bool) -> tuple[list[Parsed], int]:
        """Return the records of a block, and how many of its lines they take."""
        parsed: list[Parsed] = []
        start = 0
        reader = self._reader(block, 0)
        begun = 0
        while start < len(block):
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if "unexpected end" in str(error) and not self._is_unclosed(block, start, last):
                    return parsed, start
                row = None
            end = begun + reader.line_num
            if row is None or (end - start > 1 and self._swallows(row, block[start:end])):
                parsed.append(self._recover(block[start], self.line + start))
                start += 1
                begun, reader = start, self._reader(block, start)
                continue
            if row:
                parsed.append(self._check(row, block[start:end], self.line + start))
            start = end
        return parsed, len(block)

    def _reader(self, block: list[str], start: int) -> Any:
        return csv.reader(itertools.islice(block, start, None), **self.form.options(strict=True))

    @staticmethod
    def _is_unclosed(block: list[str], start: int, last: bool) -> bool:
        """Return whether a quote that the lines so far do not close is never closed."""
        return last or sum(map(len, block[start:])) >= MAX_RECORD_CHARACTERS

    def _swallows(self, row: Cells, lines: Sequence[str]) -> bool:
        """Return whether a record of several lines is several records behind a quote that is not closed."""
        width = self.form.width
        if len(_without_empty_ends(row, width)) != width:
            return True
        if width < 3 and len(lines) < 4:
            return False
        alone = (len(_split(line, self.form)) for line in lines)
        return all(count == width for count in alone)

    def _check(self, row: Cells, lines: Sequence[str], line: int) -> Parsed:
        row = _without_empty_ends(row, self.form.width)
        if len(row) == self.form.width:
            return line, row
        return self._recover(lines[0], line)

    def _recover(self, text: str, line: int) -> Parsed:
        """Return the record of a line that breaks the rules of quotes, if its columns can be determined."""
        content = text.rstrip("\r\n")
        if not content.strip():
            return line, []
        for cells in (_tolerant(content, self.form), _split(content, self.form)):
            row = _without_empty_ends(cells, self.form.width)
            if len(row) == self.form.width:
                self.repairs.lines += 1
                self.repairs.first = self.repairs.first or line
                return line, row
        count = len(_tolerant(content, self.form))
        cells_word = "1 cell" if count == 1 else f"{count} cells"
        return BrokenLine(line, f"{cells_word} where {self.form.width} belong{self._hint(content)}", content)

    def _hint(self, content: str) -> str:
        quote = self.form.quote
        if quote and content.count(quote) % 2:
            return f" (a {quote} is opened and never closed)"
        return ""


def _without_empty_ends(row: Cells, width: int) -> Cells:
    """Return a row without the empty cells that a spreadsheet leaves behind the last column."""
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row


def _split(text: str, form: Form) -> Cells:
    """Return the cells of a line in which quotes are characters."""
    single = form.delimiter if len(form.delimiter) == 1 else UNIT_SEPARATOR
    return text.rstrip("\r\n").split(single)


def _tolerant(text: str, form: Form) -> Cells:
    """Return the cells of a line in which a quote closes only before a delimiter or the end of the line."""
    single = form.delimiter if len(form.delimiter) == 1 else UNIT_SEPARATOR
    quote = form.quote
    if quote is None:
        return text.split(single)
    cells: Cells = []
    place = 0
    while place <= len(text):
        if text.startswith(quote, place) and (end := _closing(text, place + 1, quote, single)) >= 0:
            cells.append(text[place + 1 : end].replace(quote * 2, quote))
            place = end + 2
            if place == len(text) + 1:
                break
        else:
            end = text.find(single, place)
            end = len(text) if end < 0 else end
            cells.append(text[place:end])
            place = end + 1
    return cells


def _closing(text: str, place: int, quote: str, delimiter: str) -> int:
    """Return the place of the quote that closes a cell, -1 where there is none."""
    while (end := text.find(quote, place)) >= 0:
        run = end
        while text.startswith(quote, run):
            run += 1
        odd = (run - end) % 2 == 1
        if odd and (run == len(text) or text.startswith(delimiter, run)):
            return run - 1
        place = run
    return -1
