"""Reading one module as a tree: what it defines, what it imports, which names a definition uses."""

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

Chain = tuple[str, ...]
# What an imported name means: a module, and the names to follow from there.
Meaning = tuple[str, Chain]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class Module:
    """Hold one module: its definitions by name, its imports by name, and the statements that belong to neither.

    `home` is the package that the dots of a relative import start from.
    """

    tree: ast.Module
    home: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Meaning] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)

    def nodes(self, name: str, *, whole: str, loaded: str) -> list[ast.AST]:
        """Give the trees behind a name, or behind one of the two words for the module itself."""
        if name == whole:
            return [self.tree]
        return [*self.loose] if name == loaded else [*self.definitions[name]]


@functools.cache
def read_module(source: str, home: str) -> Module:
    """Sort the statements of a module."""
    tree = ast.parse(source)
    module = Module(tree, home)
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            module.imports.update(bindings(statement, home))
            continue
        names = _bound(statement)
        for name in names:
            module.definitions.setdefault(name, []).append(statement)
        if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
            module.imports.update(bindings(statement, home))
            only_types = isinstance(statement, ast.If) and any(
                "TYPE_CHECKING" in chain for chain in chains(statement.test)
            )
            module.loose.extend([] if only_types else [statement])
        elif not names and not (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            module.loose.append(statement)
    tabled = (
        one for group in module.definitions.values() for one in group if _decorated_by_ours(one, module)
    )
    module.loose.extend(tabled)
    return module


@functools.cache
def bindings(tree: ast.AST, home: str) -> dict[str, Meaning]:
    """Give each name that an import anywhere in the tree binds, and what it means."""
    found: dict[str, Meaning] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                found[alias.asname or first] = (alias.name if alias.asname else first, ())
        elif isinstance(node, ast.ImportFrom):
            above = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            found |= {
                alias.asname or alias.name: (start, () if alias.name == "*" else (alias.name,))
                for alias in node.names
            }
    return found


@functools.cache
def chains(tree: ast.AST) -> frozenset[Chain]:
    """Give every dotted name that a tree reads; a function's own arguments hide what they are named like."""
    if not isinstance(tree, Function):
        return frozenset(_chains(tree))
    own = {one.arg for one in ast.walk(tree.args) if isinstance(one, ast.arg)}
    around = {
        chain for part in (tree.args, tree.returns, *tree.decorator_list) if part for chain in _chains(part)
    }
    return frozenset(around | {chain for part in tree.body for chain in _chains(part) if chain[0] not in own})


@functools.cache
def plain_tree(tree: ast.AST) -> str:
    """Write a tree without docstrings and places, alike in every Python: newer ones add fields that are empty."""
    return json.dumps(_plain(tree))


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, Function | ast.ClassDef):
        return {statement.name}
    if not isinstance(
        statement, ast.Assign | ast.AnnAssign | ast.If | ast.Try | ast.With | ast.For | ast.While
    ):
        return set()
    stored = {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return stored | {node.name for node in ast.walk(statement) if isinstance(node, Function | ast.ClassDef)}


def _decorated_by_ours(statement: ast.stmt, module: Module) -> bool:
    """Say whether code of ours sees this definition when the module is loaded, as a table of methods does."""
    roots = (chain[0] for node in getattr(statement, "decorator_list", ()) for chain in _chains(node))
    return any(
        root in module.definitions or module.imports.get(root, ("", ()))[0].startswith("pipeline")
        for root in roots
    )


def _chains(node: ast.AST) -> Iterator[Chain]:
    if chain := _chain(node):
        yield chain
        return
    for child in ast.iter_child_nodes(node):
        yield from _chains(child)


def _chain(node: ast.AST) -> Chain:
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Store) else (node.id,)
    if isinstance(node, ast.Attribute) and (inner := _chain(node.value)):
        return (*inner, node.attr)
    return ()


def _plain(node: object) -> object:
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    documented = (
        isinstance(node, ast.Module | ast.ClassDef | Function)
        and ast.get_docstring(node, clean=False) is not None
    )
    fields = (
        (name, value[1:] if documented and name == "body" else value) for name, value in ast.iter_fields(node)
    )
    kept = [
        [name, _plain(value)]
        for name, value in fields
        if value != [] and (value is not None or isinstance(node, ast.Constant))
    ]
    return [type(node).__name__, *kept]
