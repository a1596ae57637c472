"""Which code a stage runs, found by reading it: no list to keep, and the same digest wherever it is installed.

From the stage's function every name it uses is followed to its definition, through imports at the top and inside functions,
as far as our own package goes. So a stage runs again when code it uses has changed, and not when its neighbour in the file has.
What cannot be followed for certain (a module handed on as a value, a star import) counts as a whole.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.base.digests import json_digest
from pipeline.base.records import Receipt
from pipeline.io import files
from pipeline.io.versioning.module_reader import Chain, Module, bindings, chains, plain_tree, read_module

PACKAGE = Path(__file__).parents[2]
# What these say changes nothing that a stage leaves behind.
SILENT = ("pipeline.base.logs", "pipeline.base.errors")
# In the place of a name: all of the module, and what runs when it is loaded.
WHOLE, LOADED = "*", "<loaded>"

Place = tuple[str, str]


def code_digest(module: str, function: str, *, package: Path = PACKAGE) -> str:
    """Digest all code that a function of ours runs; comments, docstrings and layout do not count."""
    found = _Search(package).reach((module, function))
    return json_digest(sorted(found.items()))


def code_definitions(module: str, function: str, *, package: Path = PACKAGE) -> tuple[str, ...]:
    """Name every definition that counts in the digest of a function, for whoever wonders why a stage runs again."""
    return tuple(
        sorted(
            ".".join(place)
            for place, content in _Search(package).reach((module, function)).items()
            if content
        )
    )


def write_identities(out: Path, digests: Mapping[str, str]) -> Receipt:
    """Write one small file per stage, so that DVC can watch each by itself."""
    with files.staging_dir(out) as staging:
        for stage, digest in digests.items():
            files.write_bytes(staging / stage, f"{digest}\n".encode())
        return files.write_receipt(staging, Receipt("identity", counts={"stages": len(digests)}))


class _Search:
    def __init__(self, package: Path) -> None:
        self._package = package
        self._modules: dict[str, Module | None] = {}

    def reach(self, start: Place) -> dict[Place, tuple[str, ...]]:
        module, name = start
        assert name in self._sure(module).definitions, f"{module} defines no {name}"
        found: dict[Place, tuple[str, ...]] = {}
        waiting = {start}
        while waiting:
            place = waiting.pop()
            found[place] = tuple(
                plain_tree(node) for node in self._sure(place[0]).nodes(place[1], whole=WHOLE, loaded=LOADED)
            )
            waiting |= set(self._next(place)) - found.keys()
        return found

    def _next(self, place: Place) -> Iterator[Place]:
        module, name = place
        here = self._sure(module)
        above = module.rpartition(".")[0]
        if name != LOADED:
            yield module, LOADED
        elif above:
            yield above, LOADED
        if name in (WHOLE, LOADED):
            # Loading a module loads what it imports, whether or not a name of it is used.
            for start, chain in here.imports.values():
                yield from ((found, LOADED) for found, _ in self._resolved(start, chain))
        for node in here.nodes(name, whole=WHOLE, loaded=LOADED):
            inside = bindings(node, here.home)
            for chain in chains(node):
                if chain[0] in here.definitions:
                    yield module, chain[0]
                for known in (inside, here.imports):
                    if chain[0] in known:
                        start, names = known[chain[0]]
                        yield from self._resolved(start, names + chain[1:])

    def _resolved(self, module: str, chain: Chain) -> Iterator[Place]:
        """Follow names from a module to the definition they mean; nothing when it is not ours."""
        here = self._module(module)
        if here is None or module in SILENT:
            return
        if not chain:
            yield module, WHOLE
            return
        own = (module, chain[:1])
        if chain[0] in here.definitions:
            yield module, chain[0]
        elif (meaning := here.imports.get(chain[0], own)) != own:
            yield module, LOADED
            yield from self._resolved(meaning[0], meaning[1] + chain[1:])
        elif self._module(below := f"{module}.{chain[0]}"):
            yield from self._resolved(below, chain[1:])
        else:
            yield module, WHOLE

    def _sure(self, name: str) -> Module:
        found = self._module(name)
        assert found is not None, f"{name} is no module of ours"
        return found

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = self._found(name)
        return self._modules[name]

    def _found(self, name: str) -> Module | None:
        first, *below = name.split(".")
        if first != "pipeline":
            return None
        path = self._package.joinpath(*below)
        if path.is_dir():
            # A folder without __init__.py is a package too.
            file = path / "__init__.py"
            return read_module(file.read_text("utf-8") if file.is_file() else "", name)
        file = path.with_name(f"{path.name}.py")
        return read_module(file.read_text("utf-8"), name.rpartition(".")[0]) if file.is_file() else None
