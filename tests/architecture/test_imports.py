"""Who may know whom: the three floors and the doors, read from every import, those inside functions too."""

import ast
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

GROUND = ("config", "schema", "errors", "logs", "seeds")
LOGIC = ("clean", "validate", "split", "model", "train", "evaluate", "compress", "monitor", "report")
EDGES = ("collect", "storage", "version", "registry", "notify", "security")
DOORS = ("__main__", "cli", "serve", "flows")
ROOMS = (*GROUND, *LOGIC, *EDGES, "stages", *DOORS)

# Where a heavy library may be imported: a room, or a path when only one module of a room may know it.
HOMES = {
    "prefect": ("flows",),
    "mlflow": ("registry", "pipeline/serve/mlflow_model.py"),
    "dvc": ("version",),
    "great_expectations": ("validate",),
    "ray": ("pipeline/train/distributed", "pipeline/serve/elastic.py"),
    "transformers": ("model",),
    "fastapi": ("serve",),
    "starlette": ("serve",),
    "uvicorn": ("serve",),
    "datasets": ("collect", "pipeline/storage/tables.py"),
    "sklearn": ("evaluate",),
    "matplotlib": ("report",),
    "model_signing": ("security",),
    "sqlalchemy": ("registry", "collect"),
    "typer": ("cli", "__main__"),
}

# What logic may not touch: files, other machines, the clock, the environment. It may reckon with times it is handed.
WORLD = (
    "os",
    "time",
    "socket",
    "subprocess",
    "shutil",
    "tempfile",
    "glob",
    "urllib",
    "http",
    "requests",
    "httpx",
)

OPENING = ("open", "read_text", "read_bytes", "write_text", "write_bytes")
CLOCKS = ("now", "utcnow", "today")

# Two places in the logic know a folder: Ray keeps its checkpoints in one, and onnxruntime's quantiser writes only to a path.
FOLDERS = ("pipeline/train/distributed", "pipeline/compress/quantize.py")

# The door `cli` opens the door `flows`, to run the line and its schedule; no other door opens another.
CLI_RUN = ("run", "schedule")

# The command line answers in under half a second, so it may load none of these.
SLOW = (
    "torch",
    "mlflow",
    "ray",
    "prefect",
    "transformers",
    "great_expectations",
    "dvc",
    "sklearn",
    "pandas",
    "scipy",
    "pyarrow",
    "datasets",
)


@dataclass(frozen=True)
class Import:
    """One import: in which file, inside which function, of which module."""

    path: str
    line: int
    inside: str
    module: str

    @property
    def importer(self) -> str:
        return _room(self.path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))

    @property
    def imported(self) -> str:
        return _room(self.module)

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


@pytest.fixture(scope="module")
def imports(sources: dict[str, ast.Module]) -> list[Import]:
    return [found for path, tree in sources.items() for found in _imports(path, tree, inside="")]


def test_every_module_lies_in_a_room_of_the_house(
    imports: list[Import], sources: dict[str, ast.Module]
) -> None:
    rooms = {_room(path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")) for path in sources}

    assert rooms - {*ROOMS, ""} == set()


def test_each_floor_imports_only_what_lies_below_it(imports: list[Import]) -> None:
    inner = [one for one in imports if one.imported is not None and one.imported in ROOMS]

    assert [str(one) for one in inner if not _allowed(one)] == []


def test_a_heavy_library_stays_in_its_room(imports: list[Import]) -> None:
    strays = [
        str(one)
        for one in imports
        if (library := one.module.partition(".")[0]) in HOMES and not _at_home(one, HOMES[library])
    ]

    assert strays == []


def test_logic_touches_no_file_no_clock_and_no_environment(
    imports: list[Import], sources: dict[str, ast.Module]
) -> None:
    touched = [str(one) for one in imports if one.importer in LOGIC and one.module.partition(".")[0] in WORLD]
    opened = [
        f"{path}:{node.lineno} opens a file or reads a clock"
        for path, tree in sources.items()
        if _room(path.removesuffix(".py").replace("/", ".")) in LOGIC
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in (*OPENING, *CLOCKS)
    ]

    assert [found for found in touched + opened if not found.startswith(FOLDERS)] == []


def test_the_command_line_loads_no_slow_library(root: Path) -> None:
    program = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print(*sorted(set({SLOW!r}) & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['tonewatch', '--help']\n"
        "runpy.run_module('pipeline', run_name='__main__')\n"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )

    assert "Usage" in loaded.stdout
    assert loaded.stderr.split() == []


def test_help_answers_in_half_a_second_of_cpu(root: Path) -> None:
    seconds = [_cpu_seconds([sys.executable, "-m", "pipeline", "--help"], root) for _ in range(3)]

    # The best of three, and CPU instead of the wall clock: a busy machine is not a slow program.
    assert min(seconds) < 0.5


def test_a_forbidden_import_is_seen_inside_a_function() -> None:
    tree = ast.parse("def score():\n    from pipeline.io.registry import ledger\n")

    (found,) = _imports("pipeline/evaluate/metrics.py", tree, inside="")

    assert (found.importer, found.imported, _allowed(found)) == ("evaluate", "registry", False)


def test_a_relative_import_is_resolved_before_it_is_judged() -> None:
    tree = ast.parse("from ..registry import ledger\nfrom . import metrics\n")

    found = list(_imports("pipeline/evaluate/gate.py", tree, inside=""))

    assert [one.module for one in found] == ["pipeline.io.registry.ledger", "pipeline.core.evaluate.metrics"]


def _allowed(one: Import) -> bool:
    importer, imported = one.importer, one.imported
    if importer == imported or imported in GROUND:
        return True
    if importer in LOGIC:
        return imported in LOGIC[: LOGIC.index(importer)]
    if importer in EDGES:
        return imported in ("storage", "security")
    if importer == "stages":
        return imported in (*LOGIC, *EDGES)
    if importer == "__main__":
        return imported == "cli"
    if importer == "cli" and imported == "flows":
        return not {Path(one.path).stem, one.inside}.isdisjoint(CLI_RUN)
    if importer == "flows" or one.path == "pipeline/serve/main.py":
        return imported == "stages" or imported in EDGES
    return importer in DOORS and imported == "stages"


def _at_home(one: Import, homes: tuple[str, ...]) -> bool:
    return any(one.path.startswith(home) if "/" in home else one.importer == home for home in homes)


def _imports(path: str, tree: ast.AST, inside: str) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, inside, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _absolute(path, node)
            # `from pipeline.base import errors` names the room only in what it imports.
            yield from (Import(path, node.lineno, inside, f"{start}.{alias.name}") for alias in node.names)
        else:
            named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(path, node, inside=node.name if named else inside)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    folders = path.split("/")[: -node.level]
    return ".".join([*folders, *filter(None, [node.module])])


def _room(module: str) -> str:
    first, _, rest = module.partition(".")
    if first == "flows":
        return "flows"
    return rest.partition(".")[0] if first == "pipeline" else ""


def _called(call: ast.Call) -> str:
    return (
        call.func.id
        if isinstance(call.func, ast.Name)
        else call.func.attr
        if isinstance(call.func, ast.Attribute)
        else ""
    )


def _cpu_seconds(command: list[str], cwd: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
