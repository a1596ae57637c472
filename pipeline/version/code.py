"""Which code a stage runs, found by reading it: no list to keep, and the same digest wherever it is installed.

From the stage's function every name it uses is followed to its definition, through imports at the top and inside functions,
as far as our own package goes. So a stage runs again when code it uses has changed, and not when its neighbour in the file has.
What cannot be followed for certain (a module handed on as a value, a star import) counts as a whole.
"""

import ast
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.schema import Receipt
from pipeline.storage import files

PACKAGE = Path(__file__).parents[1]
# What these say changes nothing that a stage leaves behind.
SILENT = ("pipeline.logs", "pipeline.errors")
# In the place of a name: all of the module, and what runs when it is loaded.
WHOLE, LOADED = "*", "<loaded>"

Place = tuple[str, str]
Chain = tuple[str, ...]


@dataclass(frozen=True)
class _Module:
    tree: ast.Module
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Chain] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)


def code_digest(module: str, function: str, *, package: Path = PACKAGE) -> str:
    """Digest all code that a function of ours runs; comments, docstrings and layout do not count."""
    found = _reached((module, function), package)
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()


def code_read(module: str, function: str, *, package: Path = PACKAGE) -> tuple[str, ...]:
    """Name every definition that counts in the digest of a function, for whoever wonders why a stage runs again."""
    return tuple(sorted(".".join(place) for place, content in _reached((module, function), package).items() if content))


def write_identities(out: Path, digests: Mapping[str, str]) -> Receipt:
    """Write one small file per stage, so that DVC can watch each by itself."""
    with files.whole(out) as desk:
        for stage, digest in digests.items():
            files.write_bytes(desk / stage, f"{digest}\n".encode())
        return files.write_receipt(desk, Receipt("identity", counts={"stages": len(digests)}))


def _reached(start: Place, package: Path) -> dict[Place, list[object]]:
    module, name = start
    read = _module(module, package)
    assert read is not None and name in read.definitions, f"{module} defines no {name}"
    found: dict[Place, list[object]] = {}
    waiting = {start}
    while waiting:
        place = waiting.pop()
        nodes = list(_nodes(place, package))
        found[place] = [_plain(node) for node in nodes]
        waiting |= set(_next(place, nodes, package)) - found.keys()
    return found


def _nodes(place: Place, package: Path) -> Iterable[ast.AST]:
    module, name = place
    read = _module(module, package)
    assert read is not None
    if name == WHOLE:
        return [read.tree]
    if name == LOADED:
        return [*read.loose, *(one for nodes in read.definitions.values() for one in nodes if _decorated_by_ours(one, read))]
    return read.definitions[name]


def _next(place: Place, nodes: Iterable[ast.AST], package: Path) -> Iterator[Place]:
    module, name = place
    read = _module(module, package)
    assert read is not None
    above = module.rpartition(".")[0]
    if name != LOADED:
        yield module, LOADED
    elif above:
        yield above, LOADED
    if name in (WHOLE, LOADED):
        # Loading a module loads what it imports, whether or not a name of it is used here.
        for chain in read.imports.values():
            yield from ((found, LOADED) for found, _ in _resolved("", chain, package))
    for node in nodes:
        inside = {local: chain for one in ast.walk(node) for local, chain in _imported(one, module, package)}
        for chain in _chains(node):
            if chain[0] in read.definitions:
                yield module, chain[0]
            for known in (inside, read.imports):
                if chain[0] in known:
                    yield from _resolved("", known[chain[0]] + chain[1:], package)


def _resolved(module: str, chain: Chain, package: Path) -> Iterator[Place]:
    """Follow a dotted name to the definition it means; nothing when it is not ours."""
    if module in SILENT or (not module and chain[0] != "pipeline"):
        return
    read = _module(module, package) if module else None
    if not chain:
        yield module, WHOLE
    elif read and chain[0] in read.definitions:
        yield module, chain[0]
    elif read and chain[0] in read.imports:
        yield module, LOADED
        yield from _resolved("", read.imports[chain[0]] + chain[1:], package)
    elif _module(below := f"{module}.{chain[0]}".lstrip("."), package):
        yield from _resolved(below, chain[1:], package)
    elif read:
        yield module, WHOLE


def _module(name: str, package: Path) -> _Module | None:
    path = package.joinpath(*name.split(".")[1:])
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return _read(file.read_text("utf-8"), name, file.name == "__init__.py")
    # A folder without __init__.py is a package too.
    return _read("", name, True) if path.is_dir() and any(path.glob("*.py")) else None


@functools.lru_cache(maxsize=None)
def _read(source: str, name: str, is_package: bool) -> _Module:
    tree = ast.parse(source)
    read = _Module(tree)
    home = name if is_package else name.rpartition(".")[0]
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            read.imports.update(_bindings(statement, home))
            continue
        names = set(_bound(statement))
        for one in names:
            read.definitions.setdefault(one, []).append(statement)
        if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
            read.imports.update(pair for one in ast.walk(statement) for pair in _bindings(one, home))
            if "TYPE_CHECKING" not in ast.dump(statement):
                read.loose.append(statement)
        elif not names and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            read.loose.append(statement)
    return read


def _imported(node: ast.AST, module: str, package: Path) -> Iterator[tuple[str, Chain]]:
    is_package = package.joinpath(*module.split(".")[1:]).is_dir()
    yield from _bindings(node, module if is_package else module.rpartition(".")[0])


def _bindings(node: ast.AST, home: str) -> Iterator[tuple[str, Chain]]:
    """Give each name that an import binds, and the dotted name it means; `home` is the package that dots start from."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = tuple(alias.name.split("."))
            yield (alias.asname, whole) if alias.asname else (whole[0], whole[:1])
    elif isinstance(node, ast.ImportFrom):
        above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
        start = (*above, *(node.module.split(".") if node.module else ()))
        for alias in node.names:
            yield alias.asname or alias.name, start if alias.name == "*" else (*start, alias.name)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.If | ast.Try | ast.With | ast.For):
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name


def _decorated_by_ours(statement: ast.stmt, read: _Module) -> bool:
    """Say whether code of ours sees this definition when the module is loaded, as a table of methods does."""
    roots = (chain[0] for node in getattr(statement, "decorator_list", ()) for chain in _chains(node))
    return any(root in read.definitions or read.imports.get(root, ("",))[0] == "pipeline" for root in roots)


def _chains(node: ast.AST) -> Iterator[Chain]:
    if chain := _chain(node):
        yield chain
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)


def _chain(node: ast.AST) -> Chain:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (inner := _chain(node.value)):
        return (*inner, node.attr)
    return ()


def _plain(node: object) -> object:
    """Turn a tree into plain values without docstrings, alike in every Python: newer ones add fields that are empty."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
        node, clean=False
    )
    fields = ((name, value[1:] if documented and name == "body" else value) for name, value in ast.iter_fields(node))
    kept = [[name, _plain(value)] for name, value in fields if value != [] and (value is not None or isinstance(node, ast.Constant))]
    return [type(node).__name__, *kept]
