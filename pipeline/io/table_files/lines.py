"""Rows of files without columns: one text a line, fastText, and CoNLL, a token a line."""

import re
from collections.abc import Iterator
from typing import TextIO

from pipeline.base.errors import DataRejected
from pipeline.base.records import Unreadable
from pipeline.io.table_files.encodings import broken_bytes, readable
from pipeline.io.table_files.shape import Row, Rows, TableRequest

TEXT_COLUMNS = ("text", "label")
FASTTEXT_LABEL = re.compile(r"__label__(\S+)\s*")
# A sentence of CoNLL that goes on for longer is another kind of file.
MAX_TOKENS = 20_000


def text_rows(text: TextIO, labels: TextIO | None, request: TableRequest) -> Rows:
    """Yield a row for each line, with the label in the same line of a second file.

    Raises DataRejected where the two files have different numbers of lines.
    """
    other = None if labels is None else _lines(labels)
    count = 0
    for count, line in enumerate(_lines(text), start=1):
        label = "" if other is None else next(other, None)
        if label is None:
            raise _uneven(request, count - 1, "fewer")
        if reason := broken_bytes([line]):
            yield Unreadable(request.where, count, count, "text", reason, readable(line))
        else:
            row: Row = {"text": line}
            yield row if other is None else row | {"label": label}
    if other is not None and any(line.strip() for line in other):
        raise _uneven(request, count, "more")


def _lines(text: TextIO) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in text)


def _uneven(request: TableRequest, lines: int, word: str) -> DataRejected:
    return DataRejected(
        f"{request.where} and {request.labels_path} do not fit: the file of labels has {word} lines "
        f"(line {lines + 1} is the first without a partner). Each line of one belongs to that line of "
        "the other: correct `path` or `labels_path` in params.yaml."
    )


def fasttext_rows(text: TextIO, request: TableRequest) -> Rows:
    """Yield a row for each line `__label__name text`; several labels are separated by commas."""
    row = 0
    for number, line in enumerate(text, start=1):
        content = line.strip()
        if not content:
            continue
        row += 1
        labels = FASTTEXT_LABEL.findall(content)
        reason = broken_bytes([content]) or ("" if labels else "no `__label__` stands there")
        if reason:
            yield Unreadable(request.where, number, row, "label", reason, readable(content))
        else:
            # Labels are before the text or after it.
            yield {"text": FASTTEXT_LABEL.sub("", content).strip(), "label": ",".join(labels)}


def conll_rows(text: TextIO, request: TableRequest) -> Rows:
    """Yield a row for each sentence: tokens joined by blanks, the tags of the last column, keys of comments.

    A comment `# label = good` gives the row a column `label`. A sentence ends at an empty line.
    """
    tokens: list[str] = []
    tags: list[str] = []
    keys: Row = {}
    row = 0
    for number, line in enumerate(_with_end(text), start=1):
        content = line.strip()
        if content.startswith("#") and (not tokens):
            name, equals, value = content[1:].partition("=")
            if equals:
                keys[name.strip()] = value.strip()
        elif content.startswith("-DOCSTART-"):
            continue
        elif content:
            parts = content.split("\t") if "\t" in content else content.split()
            # CoNLL-U begins with the number of the token; 1-2 spans two tokens that follow.
            numbered = bool(re.fullmatch(r"\d+([-.]\d+)?", parts[0])) and len(parts) > 3
            if not numbered or parts[0].isdigit():
                tokens.append(parts[1] if numbered else parts[0])
                tags.append(parts[3] if numbered else parts[-1])
            if len(tokens) > MAX_TOKENS:
                raise DataRejected(
                    f"{request.where}, line {number}: a sentence of more than {MAX_TOKENS:,} tokens. "
                    "An empty line ends a sentence; check `kind` of this source in params.yaml."
                )
        elif tokens:
            row += 1
            if reason := broken_bytes(tokens):
                yield Unreadable(request.where, number - 1, row, "text", reason, readable(" ".join(tokens)))
            else:
                yield {"text": " ".join(tokens), "tags": " ".join(tags)} | keys
            tokens, tags, keys = [], [], {}


def _with_end(text: TextIO) -> Iterator[str]:
    yield from text
    yield "\n"
