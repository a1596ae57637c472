"""Identifiers use the field's words: the worst of our old private dialect stays out."""

import io
import keyword
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

# As a part of an identifier between underscores.
DIALECT = {
    "told", "desk", "guess", "guesses", "guessed", "worth", "noticed", "fallen", "withdrawn", "foreseen",
    "taken_back", "bakes", "baking", "baked", "mended", "surely", "stranger", "reckon", "reckoned",
}  # fmt: skip


def test_no_identifier_is_in_our_old_dialect(root: Path) -> None:
    folders = ("pipeline", "flows", "infra", "tests")
    paths = [path for folder in folders for path in (root / folder).rglob("*.py")]

    assert len(paths) > 400
    assert [
        f"{path.relative_to(root)}:{line} {name}"
        for path in sorted(paths)
        for line, name in identifiers(path.read_text("utf-8"))
        if not DIALECT.isdisjoint(name.lower().strip("_").split("_"))
    ] == []


@pytest.mark.parametrize(
    "source", ["told = 1", "def f(x): return x.was_told", "class _Desk: ...", "f(guess=1)"]
)
def test_a_word_of_the_dialect_is_detected(source: str) -> None:
    names = [name.lower().strip("_").split("_") for _, name in identifiers(source)]

    assert any(not DIALECT.isdisjoint(parts) for parts in names)


def test_words_in_strings_and_comments_are_no_identifiers() -> None:
    assert [name for _, name in identifiers('label = "told"  # a desk')] == ["label"]


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    """Yield each identifier of a Python source with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.start[0], token.string
