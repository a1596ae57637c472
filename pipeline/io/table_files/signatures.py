"""What a file is, by its first bytes: people name files as they like."""

import re

# Read through: what is inside is a table again.
PACKINGS = {
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zst",
    b"PK\x03\x04": "zip",
}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
PARQUET = b"PAR1"
# Never a table that can be read, whatever the name says.
REFUSED = {
    b"%PDF": "a PDF. Export the table behind it as CSV",
    b"7z\xbc\xaf": "a 7-Zip archive. Unpack it and name the table inside",
    b"Rar!": "a RAR archive. Unpack it and name the table inside",
    b"SQLite format 3": "an SQLite database. Export the table as CSV, or set `kind: sql`",
    b"ARROW1": "an Arrow IPC (Feather) file. Save it as Parquet",
    b"Obj\x01": "an Avro file. Save it as Parquet",
    b"ORC": "an ORC file. Save it as Parquet",
    b"\x89PNG": "a PNG picture. Name a table",
    b"\xff\xd8\xff": "a JPEG picture. Name a table",
    b"GIF8": "a GIF picture. Name a table",
    b"\x89HDF": "an HDF5 file. Save the table as Parquet",
    b"\x80\x04\x95": "a Python pickle, which could run code. Save the table as Parquet",
    b"\x80\x05\x95": "a Python pickle, which could run code. Save the table as Parquet",
    b"{\\rtf": "a Rich Text document. Save the table as CSV",
    b"\x7fELF": "a program. Name a table",
    b"PK\x05\x06": "an empty zip archive. Put the table into it",
}
LFS = b"version https://git-lfs.github.com/spec/"
HTML = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|script|table)\b", re.I | re.S)
XML = re.compile(rb"\s*<\?xml\b", re.I)


def packing_of(start: bytes) -> str:
    """Return gz, zip, zst, bz2 or xz where the first bytes say so, else an empty string."""
    return next((name for magic, name in PACKINGS.items() if start.startswith(magic)), "")


def refusal(start: bytes) -> str | None:
    """Return what a file is that cannot be read as a table, and what to do; None for any other file.

    `start` holds the first bytes, a few hundred at least.
    """
    for magic, sentence in REFUSED.items():
        if start.startswith(magic):
            return sentence
    text = start.removeprefix(b"\xef\xbb\xbf")
    if text.lstrip().startswith(LFS):
        return "a Git LFS pointer, not the table that it points to. Fetch the file with `git lfs pull`"
    if start.startswith(b"version https://") and b"\noid sha256:" in start:
        return (
            "a pointer to a large file, not the table that it points to. Fetch the file with `git lfs pull`"
        )
    if HTML.match(text):
        return (
            "an HTML page (often the log-in or error page of a download). "
            "Download the table itself, or save it as CSV"
        )
    if XML.match(text):
        return "an XML document. Save the table as CSV"
    if start[257:262] == b"ustar":
        return "a tar archive. Unpack it and name the table inside"
    return None


def is_binary(start: bytes) -> bool:
    """Return whether bytes hold control characters as no text does (UTF-16 and UTF-32 aside)."""
    controls = sum(byte < 9 or 13 < byte < 27 for byte in start)
    return controls > 0.05 * len(start)
