"""Characters that a program wrote out instead of writing them: `b'…'`, `\\u2019`."""

import unicodedata

import regex

# A whole text that is a bytes literal of Python: what `str(b"...")` leaves of a text.
BYTES = regex.compile(r"\s*b(?:'(?P<one>(?:[^'\\]|\\.)*+)'|\"(?P<two>(?:[^\"\\]|\\.)*+)\")\s*", regex.DOTALL)
BYTE = regex.compile(r"\\(?:x(?P<hex>[\da-fA-F]{2})|(?P<sign>[abfnrtv'\"\\]))")
SIGNS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
# Characters spelled out, as JSON and Python do; "on\under" and "C:\udata" are none.
ESCAPE = regex.compile(
    r"\\u(?P<high>[dD][89abAB][\da-fA-F]{2})\\u(?P<low>[dD][c-fC-F][\da-fA-F]{2})"
    r"|\\(?:u(?P<four>[\da-fA-F]{4})|U(?P<eight>000[\da-fA-F]{5}|0010[\da-fA-F]{4})|x(?P<two>[89a-fA-F][\da-fA-F]))"
)
# What else is spelled out in a text that spells out characters.
SPELLED = regex.compile(r"\\(?P<sign>[nrt'\"])")
SPELLED_SIGNS = {"n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"'}


def decode_bytes_literal(text: str) -> str:
    """Decode a text that is as a whole a bytes literal of Python; one that is not UTF-8 stays."""
    if not (match := BYTES.fullmatch(text)) or not text.isascii():
        return text
    content = match["one"] if match["two"] is None else match["two"]
    try:
        return str(BYTE.sub(_byte, content)).encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return text


def _byte(match: "regex.Match[str]") -> str:
    if match["hex"]:
        return chr(int(match["hex"], 16))
    return SIGNS.get(match["sign"], str(match["sign"]))


def decode_escapes(text: str) -> str:
    """Decode characters that are spelled out, such as `\\u2019`; other backslashes stay."""
    if "\\" not in text:
        return text
    decoded = str(ESCAPE.sub(_character, text))
    if decoded == text:
        return text
    return str(SPELLED.sub(lambda match: SPELLED_SIGNS[match["sign"]], decoded))


def _character(match: "regex.Match[str]") -> str:
    if match["high"]:
        high, low = int(match["high"], 16), int(match["low"], 16)
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    character = chr(int(match["four"] or match["eight"] or match["two"], 16))
    # Half of a pair, or no character at all: not an escape.
    return match[0] if unicodedata.category(character) in ("Cs", "Cn", "Co") else character
