"""Every command in the README exists and parses, and every command is in the README."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

# What somebody searches for who needs this project.
FIELD_WORDS = (
    "sentiment monitoring", "MLOps", "dataset", "inference", "retraining", "drift", "model registry",
    "monitor", "rollback", "ground truth",
)  # fmt: skip
BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shown(root: Path) -> list[str]:
    """List the command lines of the README: in a console block those after "$", in a shell block all."""
    return list(_commands((root / "README.md").read_text("utf-8")))


@pytest.fixture(scope="module")
def tonewatch() -> Any:
    from pipeline.cli.app import app

    return typer.main.get_command(app)


def test_every_tonewatch_command_in_the_readme_parses(shown: list[str], tonewatch: Any) -> None:
    lines = [words[1:] for words in map(_words, shown) if words[:1] == ["tonewatch"]]

    assert lines
    assert [complaint for words in lines if (complaint := _complaint(tonewatch, words))] == []


def test_every_command_is_in_the_readme(root: Path, tonewatch: Any) -> None:
    text = (root / "README.md").read_text("utf-8")
    hidden = {name for name, command in tonewatch.commands.items() if command.hidden}

    assert [
        name for name in sorted(set(tonewatch.commands) - hidden) if f"tonewatch {name}" not in text
    ] == []


def test_the_readme_is_short_and_uses_the_words_of_the_field(root: Path) -> None:
    text = (root / "README.md").read_text("utf-8")

    assert len(text.splitlines()) <= 250
    assert [word for word in FIELD_WORDS if word not in text] == []


def test_every_make_target_in_the_readme_exists(root: Path, shown: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        word for words in map(_words, shown) if words[:1] == ["make"] for word in words[1:] if "=" not in word
    }
    in_text = set(re.findall(r"`make ([a-z-]+)", (root / "README.md").read_text("utf-8")))

    assert (named | in_text) - targets == set()


def test_every_make_target_is_listed_by_help(root: Path) -> None:
    text = (root / "Makefile").read_text("utf-8")
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]

    assert set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)) == set(phony)


def test_every_file_linked_in_the_readme_exists(root: Path) -> None:
    text = (root / "README.md").read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link and not (root / link).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "infra/README.md", "data/README.md"])
def test_every_module_named_in_the_docs_exists(root: Path, document: str) -> None:
    text = (root / document).read_text("utf-8")
    names = set(re.findall(r"[\w./-]+\.py\b", text))
    folders = (root, root / "pipeline", root / "infra")

    assert [name for name in names if not any((folder / name).is_file() for folder in folders)] == []


def test_a_command_ends_before_pipes_and_comments() -> None:
    lines = '$ tonewatch predict "so good # really" | head -1  # one line\npositive\n$ A=1 make run &\n'
    text = f"```console\n{lines}```\n"

    assert [_words(line) for line in _commands(text)] == [
        ["tonewatch", "predict", "so good # really"],
        ["make", "run"],
    ]


def test_an_unknown_command_is_an_error() -> None:
    app = typer.Typer()
    app.command("go")(lambda: None)
    app.command("stop")(lambda: None)
    command = typer.main.get_command(app)

    assert _complaint(command, ["go"]) == ""
    assert "fly" in _complaint(command, ["fly"])
    assert "--fast" in _complaint(command, ["go", "--fast"])
    assert _complaint(command, ["go", "--help"]) == ""


def _commands(text: str) -> Iterator[str]:
    for block in BLOCK.finditer(text):
        lines = block.group(1).replace("\\\n", " ").splitlines()
        prompts = any(line.startswith("$ ") for line in lines)
        yield from (
            line.removeprefix("$ ")
            for line in lines
            if line.strip() and (line.startswith("$ ") or not prompts)
        )


def _words(line: str) -> list[str]:
    """Split a command line as a shell does, without leading variables and without pipes and redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    end = next((index for index, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
    start = next((index for index, word in enumerate(words) if "=" not in word), end)
    words = words[start:end]
    # A program may be shown with its path.
    return [words[0].rpartition("/")[2], *words[1:]] if words else []


def _complaint(command: Any, words: list[str]) -> str:
    """Parse a command line without running it; return the parser's error, or an empty string."""
    line, context = " ".join(["tonewatch", *words]), None
    try:
        while True:
            # Creating a context parses; nothing runs until the context is invoked.
            context = command.make_context(command.name, list(words), parent=context)
            if not hasattr(command, "commands"):
                return ""
            _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    except typer.Exit:  # --help and --version are answered while parsing
        return ""
    except Exception as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return f"{line}: {message}"


def test_no_number_in_the_readme_is_a_placeholder(root: Path) -> None:
    assert "@@" not in (root / "README.md").read_text("utf-8")
