"""Every command a reader is shown exists and parses; every command there is, is shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def shown(root: Path) -> list[str]:
    """The command lines of the README: in a console block those behind "$", in a shell block every line."""
    return list(_commands((root / "README.md").read_text("utf-8")))


@pytest.fixture(scope="module")
def tonewatch() -> Any:
    from pipeline.cli.app import app

    return typer.main.get_command(app)


def test_every_tonewatch_command_in_the_readme_parses(shown: list[str], tonewatch: Any) -> None:
    lines = [words[1:] for words in map(_words, shown) if words[:1] == ["tonewatch"]]

    assert lines
    assert [complaint for words in lines if (complaint := _complaint(tonewatch, words))] == []


def test_every_command_of_the_command_line_stands_in_the_readme(root: Path, tonewatch: Any) -> None:
    text = (root / "README.md").read_text("utf-8")
    hidden = {name for name, command in tonewatch.commands.items() if command.hidden}

    assert [
        name for name in sorted(set(tonewatch.commands) - hidden) if f"tonewatch {name}" not in text
    ] == []


def test_every_make_target_in_the_readme_exists(root: Path, shown: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        word for words in map(_words, shown) if words[:1] == ["make"] for word in words[1:] if "=" not in word
    }
    spoken = set(re.findall(r"`make ([a-z-]+)", (root / "README.md").read_text("utf-8")))

    assert (named | spoken) - targets == set()


def test_every_make_target_is_listed_by_help(root: Path) -> None:
    text = (root / "Makefile").read_text("utf-8")
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]

    assert set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)) == set(phony)


def test_every_file_that_the_readme_links_to_exists(root: Path) -> None:
    text = (root / "README.md").read_text("utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link and not (root / link).exists()] == []


def test_a_command_is_read_from_a_console_block_without_what_follows_it() -> None:
    text = '```console\n$ tonewatch predict "so good # really" | head -1  # one line\npositive\n$ A=1 make run &\n```\n'

    assert [_words(line) for line in _commands(text)] == [
        ["tonewatch", "predict", "so good # really"],
        ["make", "run"],
    ]


def test_a_command_that_does_not_exist_is_complained_about() -> None:
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
    """Split a command line as a shell does; drop variables before it, and all from the first pipe or redirection on."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    end = next((index for index, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
    start = next((index for index, word in enumerate(words) if "=" not in word), end)
    words = words[start:end]
    # A program may be shown with its path.
    return [words[0].rpartition("/")[2], *words[1:]] if words else []


def _complaint(command: Any, words: list[str]) -> str:
    """Parse a command line without running it; give what the parser says against it."""
    line, context = " ".join(["tonewatch", *words]), None
    try:
        while True:
            # Making a context parses; nothing runs until the context is invoked.
            context = command.make_context(command.name, list(words), parent=context)
            if not hasattr(command, "commands"):
                return ""
            _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    except typer.Exit:  # --help and --version are answered while parsing
        return ""
    except Exception as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        return f"{line}: {said}"


def test_no_figure_in_the_readme_waits_to_be_measured(root: Path) -> None:
    assert "@@" not in (root / "README.md").read_text("utf-8")
