"""Which attributes of which classes the code reads: a small type inference from its annotations."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Names = frozenset[str]  # class names; a container counts as its elements
NOTHING: Names = frozenset()
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Signatures:
    """The types of attributes by class, and the return types of functions and methods."""

    attributes: dict[str, dict[str, Names]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    functions: dict[str, Names] = field(default_factory=dict)

    def attribute(self, owner: str, name: str) -> Names:
        """Return the type of an attribute of a class or its bases."""
        own = self.attributes.get(owner, {}).get(name)
        if own is not None:
            return own
        return next(
            (got for base in self.bases.get(owner, []) if (got := self.attribute(base, name))), NOTHING
        )

    def ancestors(self, owner: str) -> Iterator[str]:
        """Yield a class and its bases."""
        yield owner
        for base in self.bases.get(owner, []):
            yield from self.ancestors(base)

    def resolved(self, names: Names) -> Names:
        """Return names of types with those that they are aliases of."""
        return names.union(*(self.functions.get(f"alias {name}", NOTHING) for name in names))

    def satisfied_by(self, owner: str) -> Iterator[str]:
        """Yield the protocols whose members a class has."""
        members = {name for one in self.ancestors(owner) for name in self.attributes.get(one, {})}
        for name, bases in self.bases.items():
            if "Protocol" in bases and self.attributes[name].keys() <= members:
                yield name


def attribute_reads(
    modules: Iterable[ast.Module], readers: Iterable[ast.Module]
) -> tuple[set[tuple[str, str]], Signatures]:
    """Return every (class, attribute) that `readers` read, and the signatures that `modules` declare."""
    signatures = _signatures(modules)
    reads: set[tuple[str, str]] = set()
    for module in readers:
        _Reader(signatures, reads).visit(module)
    return reads, signatures


def _signatures(modules: Iterable[ast.Module]) -> Signatures:
    signatures = Signatures()
    for module in modules:
        for node in ast.walk(module):
            if isinstance(node, FUNCTIONS):
                names = signatures.functions.get(node.name, NOTHING)
                signatures.functions[node.name] = names | annotation_names(node.returns)
            elif isinstance(node, ast.ClassDef):
                table = signatures.attributes.setdefault(node.name, {})
                signatures.bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
                for item in node.body:
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                        table[item.target.id] = annotation_names(item.annotation)
                    elif isinstance(item, FUNCTIONS):
                        table[item.name] = annotation_names(item.returns)
                        table |= dict(_assigned_to_self(item))
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                # An alias of a type: Source = Annotated[Package | Table, …]
                signatures.functions.setdefault(f"alias {node.targets[0].id}", annotation_names(node.value))
    return signatures


def _assigned_to_self(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, Names]]:
    """Yield the attributes to which a method assigns one of its arguments."""
    arguments = (*method.args.args, *method.args.kwonlyargs)
    types = {one.arg: annotation_names(one.annotation) for one in arguments}
    for node in ast.walk(method):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            targets = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value.elts if isinstance(value, ast.Tuple) else [value]
            for one, other in zip(targets, values, strict=False):
                if isinstance(one, ast.Attribute) and isinstance(other, ast.Name) and other.id in types:
                    yield one.attr, types[other.id]


def annotation_names(node: ast.expr | None) -> Names:
    """Return the names in an annotation; one in quotes is parsed."""
    if node is None:
        return NOTHING
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return annotation_names(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return NOTHING
    return frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name)) | frozenset(
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    )


class _Reader(ast.NodeVisitor):
    """Walk one module; names are known by their annotation or by what was assigned to them."""

    def __init__(self, signatures: Signatures, reads: set[tuple[str, str]]) -> None:
        self._signatures, self._reads = signatures, reads
        self._known: dict[str, Names] = {}
        self._owner: str | None = None

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self._owner = self._owner, node.name
        self.generic_visit(node)
        self._owner = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = dict(self._known)
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        for argument in arguments:
            self._known[argument.arg] = annotation_names(argument.annotation)
        if self._owner and arguments and arguments[0].arg in ("self", "cls"):
            self._known[arguments[0].arg] = frozenset([self._owner])
        self.generic_visit(node)
        self._known = before

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)  # type: ignore[arg-type]

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._known[node.target.id] = annotation_names(node.annotation)
        self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._bind(node.target, node.value)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._bind(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._bind(node.target, node.iter)
        self.generic_visit(node)

    def _comprehension(self, node: ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp) -> None:
        # The loops come last in the tree, but bind the names of the element.
        for loop in node.generators:
            self.visit(loop)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)

    visit_GeneratorExp = visit_ListComp = visit_SetComp = visit_DictComp = _comprehension  # noqa: N815

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self._reads |= {(owner, node.attr) for owner in self._types(node.value)}
        self.generic_visit(node)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._known[target.id] = self._types(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)
        elif isinstance(target, ast.Tuple):
            for one in target.elts:
                self._bind(one, value)

    def _types(self, node: ast.expr) -> Names:
        if isinstance(node, ast.Name):
            return self._signatures.resolved(self._known.get(node.id, NOTHING))
        if isinstance(node, ast.Attribute):
            owners = self._types(node.value)
            got = [self._signatures.attribute(owner, node.attr) for owner in owners]
            return self._signatures.resolved(frozenset().union(*got))
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                if node.func.id in self._signatures.attributes:
                    return frozenset([node.func.id])
                if node.func.id in self._signatures.functions:
                    return self._signatures.resolved(self._signatures.functions[node.func.id])
                return self._union(node.args)  # zip, enumerate, sorted, …
            method = self._types(node.func)
            if not method and isinstance(node.func, ast.Attribute):
                return self._signatures.resolved(
                    self._signatures.functions.get(node.func.attr, NOTHING)
                ) | self._types(node.func.value)
            return method
        if isinstance(node, ast.Subscript | ast.Starred | ast.Await):
            return self._types(node.value)
        return self._union(
            [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
            if isinstance(node, ast.IfExp | ast.BoolOp | ast.Tuple | ast.List | ast.NamedExpr | ast.ListComp)
            else []
        )

    def _union(self, nodes: Iterable[ast.expr]) -> Names:
        return frozenset().union(*(self._types(node) for node in nodes))
