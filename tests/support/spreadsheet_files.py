"""Small spreadsheets, made of their parts: .ods, and .xls (BIFF8 in a compound file)."""

import datetime
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Cell = str | float | int | bool | datetime.datetime | datetime.date | None
Sheets = Mapping[str, Sequence[Sequence[Cell]]]

ODS_NAMES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
}
SECTOR = 512
END, FREE, FAT, NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
MIN_STREAM = 4096  # shorter streams are kept elsewhere
GENERAL, DATE, DATE_TIME = 0, 1, 2  # places in FORMATS
FORMATS = (0, 14, 22)
DAY_ZERO = datetime.datetime(1899, 12, 30)


def write_ods(path: Path, sheets: Sheets) -> Path:
    """Write an OpenDocument spreadsheet: empty cells of a row's middle are repeated, as programs do."""
    names = " ".join(f'xmlns:{name}="{address}"' for name, address in ODS_NAMES.items())
    tables = "".join(
        f'<table:table table:name="{escape(name)}">'
        + "".join(f"<table:table-row>{''.join(_ods_cells(row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names} office:version="1.2">'
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("mimetype", kind, zipfile.ZIP_STORED)
        zipped.writestr("content.xml", content, zipfile.ZIP_DEFLATED)
        zipped.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
        )
    return path


def _ods_cells(row: Sequence[Cell]) -> Iterator[str]:
    empty = 0
    for value in row:
        if value is None:
            empty += 1
            continue
        if empty:
            yield f'<table:table-cell table:number-columns-repeated="{empty}"/>'
            empty = 0
        kind, text = _ods_value(value)
        yield f"<table:table-cell {kind}><text:p>{escape(text)}</text:p></table:table-cell>"
    if empty:
        yield f'<table:table-cell table:number-columns-repeated="{empty}"/>'


def _ods_value(value: Cell) -> tuple[str, str]:
    if isinstance(value, bool):
        return f'office:value-type="boolean" office:boolean-value="{str(value).lower()}"', str(value).upper()
    if isinstance(value, int | float):
        return f'office:value-type="float" office:value="{value}"', str(value)
    if isinstance(value, datetime.date):
        return f'office:value-type="date" office:date-value="{value.isoformat()}"', f"{value:%d.%m.%y}"
    return 'office:value-type="string"', str(value)


def write_xls(path: Path, sheets: Sheets) -> Path:
    """Write an Excel 97 workbook."""
    texts = list(dict.fromkeys(v for rows in sheets.values() for row in rows for v in row if type(v) is str))
    bodies = [_sheet(rows, texts) for rows in sheets.values()]
    start = len(_globals(list(sheets), [0] * len(sheets), texts))
    places = [start + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    path.write_bytes(_compound_file("Workbook", _globals(list(sheets), places, texts) + b"".join(bodies)))
    return path


def _record(number: int, content: bytes = b"") -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def _string(text: str, length: str) -> bytes:
    narrow = all(ord(one) < 256 for one in text)
    encoded = text.encode("latin-1" if narrow else "utf-16-le")
    return struct.pack(f"<{length}B", len(text), not narrow) + encoded


def _globals(names: Sequence[str], places: Sequence[int], texts: Sequence[str]) -> bytes:
    parts = [_record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))]
    parts += [_record(0x0042, struct.pack("<H", 1200)), _record(0x0022, struct.pack("<H", 0))]
    parts += [_record(0x00E0, struct.pack("<HH", 0, number) + bytes(16)) for number in FORMATS]
    parts += [
        _record(0x0085, struct.pack("<IBB", place, 0, 0) + _string(name, "B"))
        for name, place in zip(names, places, strict=True)
    ]
    shared = b"".join(_string(text, "H") for text in texts)
    parts += [_record(0x00FC, struct.pack("<II", len(texts), len(texts)) + shared), _record(0x000A)]
    return b"".join(parts)


def _sheet(rows: Sequence[Sequence[Cell]], texts: Sequence[str]) -> bytes:
    width = max(map(len, rows))
    parts = [_record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))]
    parts.append(_record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0)))
    for line, row in enumerate(rows):
        parts += [_xls_cell(line, place, value, texts) for place, value in enumerate(row)]
    return b"".join([*parts, _record(0x000A)])


def _xls_cell(line: int, place: int, value: Cell, texts: Sequence[str]) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return _record(0x00FD, struct.pack("<HHHI", line, place, GENERAL, texts.index(value)))
    if isinstance(value, bool):
        return _record(0x0205, struct.pack("<HHHBB", line, place, GENERAL, value, 0))
    form, number = GENERAL, value
    if isinstance(value, datetime.datetime):
        form, number = DATE_TIME, (value - DAY_ZERO).total_seconds() / 86400
    elif isinstance(value, datetime.date):
        form, number = DATE, (datetime.datetime(value.year, value.month, value.day) - DAY_ZERO).days
    return _record(0x0203, struct.pack("<HHHd", line, place, form, number))


def _compound_file(name: str, content: bytes) -> bytes:
    """Return a compound file: a header, the allocation table, the directory and one stream."""
    size = max(len(content), MIN_STREAM)
    count = -(-size // SECTOR)
    chain = [FAT, END, *range(3, 2 + count), END]
    assert len(chain) <= SECTOR // 4, "one sector of the allocation table holds the chain"
    table = struct.pack("<128I", *chain, *[FREE] * (128 - len(chain)))
    directory = _entry("Root Entry", 5, 1, END, 0) + _entry(name, 2, NONE, 2, size)
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, MIN_STREAM, END, 0, END, 0,
    )  # fmt: skip
    header += struct.pack("<109I", 0, *[FREE] * 108)
    empty = _entry("", 0, NONE, 0, 0) * 2
    return header + table + directory + empty + content.ljust(count * SECTOR, b"\0")


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    encoded = f"{name}\0".encode("utf-16-le") if name else b""
    head = struct.pack("<64sHBBIII", encoded, len(encoded), kind, 1, NONE, NONE, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)
