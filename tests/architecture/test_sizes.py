"""Files stay under 250 lines, functions under 40, and no function takes six positional arguments."""

import ast
from pathlib import Path

FILE_LINES = 250
FUNCTION_LINES = 40
POSITIONAL = 5


def test_files_stay_under_250_lines(root: Path, sources: dict[str, ast.Module]) -> None:
    lines = {path: len((root / path).read_text("utf-8").splitlines()) for path in sources}

    assert {path: count for path, count in lines.items() if count >= FILE_LINES} == {}


def test_functions_stay_under_40_lines_without_their_docstring(sources: dict[str, ast.Module]) -> None:
    lines = {
        f"{path}:{one.lineno} {one.name}": _lines(one)
        for path, tree in sources.items()
        for one in _functions(tree)
    }

    assert {name: count for name, count in lines.items() if count >= FUNCTION_LINES} == {}


def test_functions_take_at_most_five_positional_arguments(sources: dict[str, ast.Module]) -> None:
    taken = {
        f"{path}:{one.lineno} {one.name}": _positional(one)
        for path, tree in sources.items()
        for one in _functions(tree)
    }

    assert {name: count for name, count in taken.items() if count > POSITIONAL} == {}


def test_a_docstring_and_a_decorator_do_not_count_as_lines() -> None:
    docstring = '    """Return it.\n\n    In cells.\n    """\n'
    source = f"@cache\ndef area(width: int) -> int:\n{docstring}    return width\n"
    (function,) = _functions(ast.parse(source))

    assert _lines(function) == 2


def test_self_and_keyword_only_arguments_do_not_count_as_positional() -> None:
    (method,) = _functions(ast.parse("class A:\n    def go(self, a, b, *, c, d): ...\n"))

    assert _positional(method) == 2


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    return (
        function.end_lineno
        - function.lineno
        + 1
        - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)
    )


def _positional(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])
