"""The dialect of delimited text, found out from its first lines: delimiter, quotes, header and preamble."""

import collections
import csv
import dataclasses
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.base.config.sources import AUTO
from pipeline.io.table_files.headers import NAMES, clean_names, column_names, have_row_numbers, is_header
from pipeline.io.table_files.records import UNIT_SEPARATOR, Form
from pipeline.io.table_files.shape import Dialect

SAMPLE_CHARACTERS = 200_000
STANDARD = (",", "\t", ";", "|")
LONGER = ("::", "|||", "||", "\t\t", "~|~")
# Only where none of those parts the lines.
RARE = "@^~#!:=/*%$&+§¦¬\x01\x1e\x1f\x02"
FEW_CHARACTERS = 0.90
CONSISTENT = 0.98
SOMEWHAT = 0.70
MAX_BROKEN = 200
MAX_PREAMBLE = 20


@dataclass(frozen=True)
class Candidate:
    """Hold how well a delimiter and a quote part the sample: the share of records with equally many cells."""

    delimiter: str
    quote: str | None
    escape: str | None
    width: int
    consistency: float
    broken: int
    rows: list[list[str]]
    starts: list[int]


@dataclass(frozen=True)
class Known:
    """Hold what params.yaml says of a dialect: `auto` and None are to be found out.

    `mapped` are columns that it names: a first line that holds them all is a header, and decides the
    delimiter.
    """

    delimiter: str | None = None
    quote: str | None = AUTO
    escape: str | None = AUTO
    header: bool | tuple[str, ...] | None = None
    skip_rows: int | None = None
    mapped: tuple[str, ...] = ()


def sniff_dialect(sample: str, known: Known, *, whole: bool) -> Dialect | None:
    """Return the dialect of a sample of text, None where nothing parts its lines into columns.

    What is known is taken as it is. `whole` says that the sample ends where the file does.
    """
    lines = _lines(sample, whole)
    skipped, delimiter = known.skip_rows or 0, known.delimiter
    if known.skip_rows is None and lines and re.fullmatch(r"sep=.\s*", lines[0]):
        delimiter, skipped = delimiter or lines[0][4], 1
    lines = lines[skipped:]
    if not lines:
        return None
    best = _best(lines, dataclasses.replace(known, delimiter=delimiter))
    if best is None:
        return None
    if known.skip_rows is None and not skipped:
        skipped = _preamble(best)
        if skipped:
            best = _measure(lines[skipped:], best.delimiter, best.quote, best.escape)
    names, has_header = _header(best, known)
    return Dialect(best.delimiter, best.quote, best.escape, has_header, names, skipped)


def _lines(sample: str, whole: bool) -> list[str]:
    lines = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$", sample[:SAMPLE_CHARACTERS])
    cut = not whole or len(sample) > SAMPLE_CHARACTERS
    return lines[:-1] if cut and len(lines) > 1 else lines


def _best(lines: Sequence[str], known: Known) -> Candidate | None:
    """Return the candidate that parts the lines best: by the columns it must have, else by its evenness."""
    delimiters = [known.delimiter] if known.delimiter is not None else _delimiters(lines)
    candidates = []
    for one in delimiters:
        candidate = _best_quote(lines, one, known)
        if known.mapped and candidate.rows and set(known.mapped) <= set(clean_names(candidate.rows[0])):
            return candidate
        candidates.append(candidate)
    if known.delimiter is not None:
        return candidates[0] if candidates[0].rows else None
    several = [one for one in candidates if one.width > 1]
    for group in ((*STANDARD, *LONGER), RARE):
        for least in (CONSISTENT, FEW_CHARACTERS):
            good = [one for one in several if one.delimiter in group and one.consistency >= least]
            if good:
                return max(good, key=lambda one: (_named(one), one.width, one.consistency))
    named = [one for one in several if one.delimiter in STANDARD and _named(one)]
    return max(named, key=lambda one: one.consistency, default=None) or max(
        (one for one in several if one.delimiter in STANDARD and one.consistency >= SOMEWHAT),
        key=lambda one: one.consistency,
        default=None,
    )


def _named(candidate: Candidate) -> bool:
    """Return whether the first line holds names that people give to columns, in as many cells as the rest."""
    if not candidate.rows:
        return False
    names = [name.lower() for name in clean_names(candidate.rows[0])]
    return len(names) > 1 and sum(name in NAMES for name in names) >= max(1, len(names) // 3)


def _delimiters(lines: Sequence[str]) -> list[str]:
    some = [line for line in lines[:500] if line.strip()]
    least = FEW_CHARACTERS * len(some)
    rare = [one for one in (*LONGER, *RARE) if sum(one in line for line in some) >= least]
    return [*STANDARD, *rare]


def _best_quote(lines: Sequence[str], delimiter: str, known: Known) -> Candidate:
    """Return how quotes are best taken with one delimiter."""
    escape = None if known.escape == AUTO else known.escape

    def measure(quote: str | None) -> Candidate:
        candidate = _measure(lines, delimiter, quote, escape)
        return _with_backslash(lines, candidate) if known.escape == AUTO else candidate

    if known.quote != AUTO:
        return measure(known.quote)
    as_quote, as_character = measure('"'), measure(None)
    chosen = as_quote if _quotes_enclose(as_quote, as_character) else as_character
    if _some_column_quoted(as_character, "'"):
        single = measure("'")
        if single.consistency >= chosen.consistency and not single.broken:
            return single
    return chosen


def _with_backslash(lines: Sequence[str], candidate: Candidate) -> Candidate:
    """Return the candidate with a backslash as escape, where the sample reads better so."""
    if not any("\\" in line for line in lines):
        return candidate
    escaped = _measure(lines, candidate.delimiter, candidate.quote, "\\")
    fewer = escaped.broken < candidate.broken and escaped.consistency >= candidate.consistency
    better = escaped.consistency > candidate.consistency + 1e-9 and escaped.width >= candidate.width
    return escaped if fewer or better else candidate


def _measure(lines: Sequence[str], delimiter: str, quote: str | None, escape: str | None) -> Candidate:
    form = Form(delimiter, quote, escape, 0)
    if len(delimiter) > 1:
        lines = [line.replace(delimiter, UNIT_SEPARATOR) for line in lines]
    rows: list[list[str]] = []
    starts: list[int] = []
    broken = start = begun = 0
    reader = csv.reader(iter(lines), **form.options(strict=True))
    while start < len(lines) and broken <= MAX_BROKEN:
        try:
            row = next(reader)
        except csv.Error:
            # Only the line where the record began is broken: what follows is read anew.
            broken += 1
            begun = start = start + 1
            reader = csv.reader(itertools.islice(lines, begun, None), **form.options(strict=True))
            continue
        except StopIteration:
            break
        if row:
            rows.append(row)
            starts.append(start)
        start = begun + reader.line_num
    widths = collections.Counter(map(len, rows))
    width = max(widths, key=lambda one: (widths[one], one), default=0)
    share = widths[width] / max(1, len(rows) + broken)
    return Candidate(delimiter, quote, escape, width, share, broken, rows, starts)


def _quotes_enclose(as_quote: Candidate, as_character: Candidate) -> bool:
    """Return whether quotes enclose cells rather than being characters of the text."""
    cells = [cell for row in as_character.rows for cell in row]
    whole = sum(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in cells)
    half = sum(cell[:1] == '"' or cell[-1:] == '"' for cell in cells) - whole
    mostly = whole > 4 * half
    few_broken = as_quote.broken <= 0.05 * len(as_quote.rows)
    if as_quote.consistency > as_character.consistency and few_broken:
        return True
    if as_quote.consistency < as_character.consistency:
        return whole > 0 and mostly
    several_lines = any("\n" in cell or "\r" in cell for row in as_quote.rows for cell in row)
    # Lines that have all the columns by themselves are rows behind a quote that is not closed.
    swallowed = as_character.width > 2 and as_character.consistency >= CONSISTENT
    if (not whole and not half) or (several_lines and not as_quote.broken and not swallowed):
        return True
    if any('""' in cell[1:-1] for cell in cells if cell[:1] == cell[-1:] == '"'):
        return True
    return mostly and (as_quote.delimiter != "\t" or _some_column_quoted(as_character, '"'))


def _some_column_quoted(candidate: Candidate, quote: str) -> bool:
    """Return whether each cell that is not empty is quoted, in some column."""
    columns = zip(*(row for row in candidate.rows[1:] if len(row) == candidate.width), strict=True)
    return any(
        len(filled := [cell for cell in column if cell]) > 1
        and all(len(cell) > 1 and cell[0] == cell[-1] == quote for cell in filled)
        for column in columns
    )


def _preamble(best: Candidate) -> int:
    """Return how many lines precede the table: they have fewer cells than its rows."""
    first = next((place for place, row in enumerate(best.rows) if len(row) == best.width), 0)
    if not first or first > MAX_PREAMBLE or len(best.rows[first - 1]) == best.width - 1:
        return 0
    return best.starts[first]


def _header(best: Candidate, known: Known) -> tuple[tuple[str, ...], bool]:
    """Return the names of the columns, and whether a line of the file holds them."""
    header, first = known.header, clean_names(best.rows[0])
    if isinstance(header, tuple):
        return header, header == first
    if header is None:
        header = bool(known.mapped) and set(known.mapped) <= set(first)
        header = header or is_header(best.rows[0], best.rows[1:])
    if not header:
        return column_names(best.width), False
    # R leaves out the name of the column of row numbers.
    missing = ("",) if len(first) == best.width - 1 and have_row_numbers(best.rows[1:], best.width) else ()
    while len(first) > best.width and not first[-1]:
        first = first[:-1]
    return (*missing, *first), True
