"""What a statement of SQL is, as far as one can tell without a database."""

import re

# Strings, quoted names and dollar quotes may hold any sign; a comment of PostgreSQL may hold comments.
TOKENS = re.compile(
    r"--[^\n]*|/\*|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$|[A-Za-z_][\w$]*|\S",
    re.DOTALL,
)
COMMENT_SIGNS = re.compile(r"/\*|\*/")
READING = ("SELECT", "WITH")


def refuse_statement(query: str) -> str | None:
    """Return why a query is not one SELECT, None where it is; the database has the last word on writing."""
    tokens = _tokens(query)
    while tokens and tokens[-1] == ";":
        tokens.pop()
    words = [token for token in tokens if token != "("]
    if not words:
        return "is empty"
    if ";" in tokens:
        return "holds more than one statement"
    if words[0].upper() not in READING:
        return f"begins with {words[0][:40]!r}"
    return None


def _tokens(query: str) -> list[str]:
    """Return the words and signs outside of comments."""
    tokens, place = [], 0
    while match := TOKENS.search(query, place):
        place = match.end()
        if match[0] == "/*":
            place = _comment_end(query, place)
        elif not match[0].startswith("--"):
            tokens.append(match[0])
    return tokens


def _comment_end(query: str, place: int) -> int:
    depth = 1
    while depth and (sign := COMMENT_SIGNS.search(query, place)):
        depth += 1 if sign[0] == "/*" else -1
        place = sign.end()
    return len(query) if depth else place
