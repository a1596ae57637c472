"""One module as a syntax tree: what it defines and imports, and which names a definition uses."""

import ast
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

Chain = tuple[str, ...]
# The target of an imported name: a module, and the names to follow from there.
Target = tuple[str, Chain]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class Module:
    """Hold the definitions and imports of a module by name, and the statements that are neither.

    `home` is the package that the dots of a relative import start from.
    """

    tree: ast.Module
    home: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Target] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)

    def nodes(self, name: str, *, whole: str, loaded: str) -> list[ast.AST]:
        """Return the trees of a definition, of the `whole` module, or of what runs when it is `loaded`."""
        if name == whole:
            return [self.tree]
        return [*self.loose] if name == loaded else [*self.definitions[name]]


@functools.cache
def read_module(source: str, home: str) -> Module:
    """Parse a module and sort its statements; `home` is the package that relative imports start from."""
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
    for statements in module.definitions.values():
        module.loose.extend(statement for statement in statements if _decorated_by_ours(statement, module))
    return module


@functools.cache
def bindings(tree: ast.AST, home: str) -> dict[str, Target]:
    """Return each name that an import anywhere in the tree binds, with its target."""
    targets: dict[str, Target] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                targets[alias.asname or first] = (alias.name if alias.asname else first, ())
        elif isinstance(node, ast.ImportFrom):
            parents = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*parents, *filter(None, [node.module])])
            targets |= {
                alias.asname or alias.name: (start, () if alias.name == "*" else (alias.name,))
                for alias in node.names
            }
    return targets


@functools.cache
def chains(tree: ast.AST) -> frozenset[Chain]:
    """Return every dotted name that a tree reads; a function's arguments hide equal names in its body."""
    if not isinstance(tree, Function):
        return frozenset(_chains(tree))
    arguments = {node.arg for node in ast.walk(tree.args) if isinstance(node, ast.arg)}
    signature = {
        chain for part in (tree.args, tree.returns, *tree.decorator_list) if part for chain in _chains(part)
    }
    body = {chain for part in tree.body for chain in _chains(part) if chain[0] not in arguments}
    return frozenset(signature | body)


@functools.cache
def plain_tree(tree: ast.AST) -> str:
    """Return a tree as JSON without docstrings, positions and empty fields, which differ between Pythons."""
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
    """Return whether a decorator of ours receives this definition when the module is loaded."""
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
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    documented = (
        isinstance(node, ast.Module | ast.ClassDef | Function)
        and ast.get_docstring(node, clean=False) is not None
    )
    fields = (
        (name, value[1:] if documented and name == "body" else value) for name, value in ast.iter_fields(node)
    )
    filled = [
        [name, _plain(value)]
        for name, value in fields
        if value != [] and (value is not None or isinstance(node, ast.Constant))
    ]
    return [type(node).__name__, *filled]
