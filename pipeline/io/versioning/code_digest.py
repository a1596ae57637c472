"""The digest of the code that a stage runs, found by reading it; equal wherever the package is installed.

From the stage's function every name it uses is followed to its definition, through all imports, as far as our
own package goes. So a stage runs again when code it uses has changed, and not when other code in the file
has. What cannot be followed for certain (a module used as a value, a star import) counts as a whole.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.base.digests import json_digest
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.versioning.module_reader import Chain, Module, bindings, chains, plain_tree, read_module

PACKAGE = Path(__file__).parents[2]
# Modules that change nothing a stage leaves behind.
IGNORED = ("pipeline.base.logs", "pipeline.base.errors")
# In place of a name: the whole module, and what runs when it is loaded.
WHOLE, LOADED = "*", "<loaded>"

# A module and a name in it.
Place = tuple[str, str]


def code_digest(module: str, function: str, *, package: Path = PACKAGE) -> str:
    """Return the SHA-256 of all code that a function runs; comments, docstrings and layout do not count."""
    return json_digest(sorted(_CodeSearch(package).reach((module, function)).items()))


def code_definitions(module: str, function: str, *, package: Path = PACKAGE) -> tuple[str, ...]:
    """Return the names of the definitions that the digest of a function covers."""
    reached = _CodeSearch(package).reach((module, function))
    return tuple(sorted(".".join(place) for place, content in reached.items() if content))


def write_identities(out: Path, digests: Mapping[str, str]) -> Receipt:
    """Write the digest of each stage into a file of its own, so that DVC can watch each by itself."""
    with files.staging_dir(out) as staging:
        for stage, digest in digests.items():
            files.write_bytes(staging / stage, f"{digest}\n".encode())
        return files.write_receipt(staging, Receipt("identity", counts={"stages": len(digests)}))


class _CodeSearch:
    """Follow names from definition to definition through the modules of a package."""

    def __init__(self, package: Path) -> None:
        self._package = package
        self._modules: dict[str, Module | None] = {}

    def reach(self, start: Place) -> dict[Place, tuple[str, ...]]:
        """Return every place that a definition reaches, itself included, with the code there."""
        module, name = start
        assert name in self._own_module(module).definitions, f"{module} defines no {name}"
        reached: dict[Place, tuple[str, ...]] = {}
        pending = {start}
        while pending:
            place = pending.pop()
            nodes = self._own_module(place[0]).nodes(place[1], whole=WHOLE, loaded=LOADED)
            reached[place] = tuple(plain_tree(node) for node in nodes)
            pending |= set(self._next(place)) - reached.keys()
        return reached

    def _next(self, place: Place) -> Iterator[Place]:
        name, definition = place
        module = self._own_module(name)
        parent = name.rpartition(".")[0]
        if definition != LOADED:
            yield name, LOADED
        elif parent:
            yield parent, LOADED
        if definition in (WHOLE, LOADED):
            # Loading a module loads what it imports, whether or not a name of it is used.
            for start, chain in module.imports.values():
                yield from ((imported, LOADED) for imported, _ in self._resolve(start, chain))
        for node in module.nodes(definition, whole=WHOLE, loaded=LOADED):
            local_imports = bindings(node, module.home)
            for chain in chains(node):
                if chain[0] in module.definitions:
                    yield name, chain[0]
                for imports in (local_imports, module.imports):
                    if chain[0] in imports:
                        start, names = imports[chain[0]]
                        yield from self._resolve(start, names + chain[1:])

    def _resolve(self, name: str, chain: Chain) -> Iterator[Place]:
        """Follow names from a module to the definition they mean; yield nothing outside our package."""
        module = self._module(name)
        if module is None or name in IGNORED:
            return
        if not chain:
            yield name, WHOLE
            return
        own = (name, chain[:1])
        if chain[0] in module.definitions:
            yield name, chain[0]
        elif (target := module.imports.get(chain[0], own)) != own:
            yield name, LOADED
            yield from self._resolve(target[0], target[1] + chain[1:])
        elif self._module(submodule := f"{name}.{chain[0]}"):
            yield from self._resolve(submodule, chain[1:])
        else:
            yield name, WHOLE

    def _own_module(self, name: str) -> Module:
        module = self._module(name)
        assert module is not None, f"{name} is no module of ours"
        return module

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        first, *parts = name.split(".")
        if first != "pipeline":
            return None
        path = self._package.joinpath(*parts)
        if path.is_dir():
            # A folder without __init__.py is a package too.
            file = path / "__init__.py"
            return read_module(file.read_text("utf-8") if file.is_file() else "", name)
        file = path.with_name(f"{path.name}.py")
        return read_module(file.read_text("utf-8"), name.rpartition(".")[0]) if file.is_file() else None
