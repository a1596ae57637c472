"""The encoding of a text file, found out from its bytes."""

import codecs
import io
from collections.abc import Sequence
from typing import BinaryIO

from pipeline.base.errors import DataRejected
from pipeline.io.table_files import signatures

SAMPLE_BYTES = 1 << 20
# UTF-32 first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF8 = "utf-8-sig"
# What people call them: latin-1 is a subset of cp1252 but for control characters.
NAMES = {"utf_8": UTF8, "ascii": UTF8, "cp1252": "cp1252", "latin_1": "latin-1"}
# A file that is UTF-8 but for a few broken bytes stays UTF-8: those rows are unreadable.
MOST_BROKEN = 0.2


def sniff_encoding(sample: bytes, *, whole: bool, where: str) -> tuple[str, str]:
    """Return the name of the encoding of a file that begins with `sample`, and a sentence about it or "".

    `whole` says that the sample is the whole file. Raises DataRejected for bytes that are no text.
    """
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name, "" if name == UTF8 else f"The file is {name.upper()}, as its first bytes say."
    if wide := _wide(sample):
        return wide, f"The file is {wide.upper()} without a mark at its start."
    if signatures.is_binary(sample[:4096]):
        raise DataRejected(
            f"{where} is not text: it holds binary data. Name a table, or set `kind` of this source."
        )
    invalid, multibyte = _count_utf8(sample, whole)
    if not invalid:
        return UTF8, ""
    if invalid <= MOST_BROKEN * multibyte:
        return UTF8, f"The file is UTF-8 with {invalid} broken places: rows with them are unreadable."
    name = _detect(sample, where)
    return name, f"The file is not UTF-8; it reads well as {name} (`encoding: {name}`)."


def open_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Open bytes as text with its line ends as they are; a byte that is no text becomes a lone surrogate."""
    errors = "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")


def broken_bytes(cells: Sequence[str]) -> str:
    """Return a sentence about bytes that the encoding does not know, an empty string where there are none."""
    text = "".join(cells)
    if text.isascii():
        return ""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        if 0xDC80 <= code <= 0xDCFF:
            return f"byte 0x{code - 0xDC00:02X} is no character in this encoding"
    return ""


def readable(text: str) -> str:
    """Return text for a message: what is no character shows as a replacement character."""
    return text.encode("utf-8", "replace").decode("utf-8")[:200]


def _wide(sample: bytes) -> str:
    """Return UTF-16 or UTF-32 by the places of the zero bytes, since Latin text has many."""
    head = sample[:2000]
    if len(head) < 8 or head.count(0) < 0.2 * len(head):
        return ""
    places = [sum(head[place::4][i] == 0 for i in range(len(head[place::4]))) for place in range(4)]
    quarter = len(head) / 4
    if all(count > 0.8 * quarter for count in places[2:]):
        return "utf-32-le"
    if all(count > 0.8 * quarter for count in places[:2]):
        return "utf-32-be"
    if places[1] + places[3] > 0.8 * quarter and places[0] + places[2] < 0.1 * quarter:
        return "utf-16-le"
    return "utf-16-be" if places[0] + places[2] > 0.8 * quarter else ""


def _count_utf8(sample: bytes, whole: bool) -> tuple[int, int]:
    """Return how many sequences of the sample are not UTF-8, and how many characters beyond ASCII are."""
    invalid, characters, start = 0, 0, 0
    while start < len(sample):
        try:
            characters += _count_beyond_ascii(sample[start:].decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            at = start + error.start
            characters += _count_beyond_ascii(sample[start:at].decode("utf-8"))
            if not whole and at > len(sample) - 4:
                break
            invalid += 1
            start = at + 1
            if invalid > 2000:
                break
    return invalid, characters


def _count_beyond_ascii(text: str) -> int:
    return 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))


def _detect(sample: bytes, where: str) -> str:
    """Return the encoding of bytes that are not UTF-8."""
    from charset_normalizer import from_bytes

    lines = [line for line in sample.splitlines() if not line.isascii()]
    beyond = b"\n".join(lines[:400])
    west = _western(beyond)
    if west:
        return west
    best = from_bytes(beyond).best()
    if best is None:
        raise DataRejected(
            f"{where} is not UTF-8 text near line {_line(sample)}, and its encoding is unknown. "
            "Write it in params.yaml, for example `encoding: latin-1`, or save the file as UTF-8."
        )
    return NAMES.get(best.encoding, best.encoding.replace("_", "-"))


def _western(content: bytes) -> str:
    """Return latin-1 or cp1252 where a few accented letters are between letters of ASCII, else ""."""
    beyond = [byte for byte in content if byte > 0x7F]
    letters = sum(
        byte >= 0xC0 or byte in b"\x92\x93\x94\x91\x96\x97\x85\x80\xa3\xa0\xb0\xab\xbb" for byte in beyond
    )
    words = sum(byte < 0x80 for byte in content)
    # Cyrillic or Greek text in one byte has few letters of ASCII; Chinese in two bytes has pairs.
    if not beyond or letters < 0.95 * len(beyond) or len(beyond) > 0.15 * words:
        return ""
    return "cp1252" if any(0x80 <= byte < 0xA0 for byte in beyond) else "latin-1"


def _line(sample: bytes) -> int:
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return sample[: error.start].count(b"\n") + 1
    return 0
