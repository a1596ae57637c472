"""Import rules: the contracts of `pyproject.toml`, and what import-linter cannot see."""

import ast
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

from pipeline.stages.table import STAGES

# Logic gets values: it reaches no file, no other machine, no clock and no environment variable.
WORLD_MODULES = {
    "glob",
    "http",
    "httpx",
    "os",
    "requests",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "time",
    "urllib",
}
FILE_CALLS = {"open", "read_text", "read_bytes", "write_text", "write_bytes"}
CLOCK_CALLS = {"now", "utcnow", "today"}
LOGIC = ("pipeline/core/", "pipeline/report/")

# Ray writes checkpoints into a folder, and onnxruntime's quantizer writes only to a path.
LOGIC_WITH_FOLDERS = ("pipeline/core/train/ray_trainer.py", "pipeline/core/compress/quantization.py")

# The command line answers in under half a second, so it loads none of these.
SLOW_MODULES = (
    "datasets", "dvc", "great_expectations", "mlflow", "pandas", "prefect", "pyarrow", "ray", "scipy",
    "sklearn", "torch", "transformers",
)  # fmt: skip

STAGE_TOOLS = {"__init__", "context", "runner", "table"}
# Kept for models that were registered under this name.
STAGE_COMPATIBILITY = {"prediction"}
ENTRIES, FILES, LEVELS = 14, 15, 3
# One module an objective: `core/train` would hold more files than a folder may.
DEEPER = Path("pipeline/core/train/objectives")


def test_import_linter_keeps_every_contract(root: Path) -> None:
    program = Path(sys.executable).parent / "lint-imports"

    report = subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True)

    assert report.returncode == 0, report.stdout


def test_logic_touches_no_file_clock_or_environment(sources: dict[str, ast.Module]) -> None:
    logic = {path: tree for path, tree in sources.items() if path.startswith(LOGIC)}

    assert len(logic) > 50
    assert [
        f"{path}:{touch}"
        for path, tree in logic.items()
        if path not in LOGIC_WITH_FOLDERS
        for touch in touches_of_the_world(tree)
    ] == []


def test_a_touch_of_the_world_inside_a_function_is_seen() -> None:
    tree = ast.parse(
        "def f(path):\n    import os\n    from urllib import request\n    return path.read_text()\n"
    )

    assert touches_of_the_world(tree) == ["2 imports os", "3 imports urllib", "4 calls read_text"]


def test_stages_holds_one_file_for_each_entry_of_dvc_yaml(root: Path) -> None:
    names = {path.stem for path in (root / "pipeline" / "stages").glob("*.py")}

    assert names - STAGE_COMPATIBILITY == {stage.name for stage in STAGES} | STAGE_TOOLS


def test_pipeline_has_at_most_14_entries(root: Path, project_files: list[Path]) -> None:
    package = root / "pipeline"
    entries = {path.relative_to(package).parts[0] for path in project_files if package in path.parents}

    assert len(entries) <= ENTRIES, sorted(entries)


def test_no_folder_holds_more_than_15_files(root: Path, project_files: list[Path]) -> None:
    counts = Counter(path.parent for path in project_files if root / "pipeline" in path.parents)

    assert {folder: count for folder, count in counts.items() if count > FILES} == {}


def test_folders_are_at_most_three_levels_deep(sources: dict[str, ast.Module]) -> None:
    folders = {Path(path).parent for path in sources} - {DEEPER}

    assert [folder for folder in folders if len(folder.parts) > LEVELS] == []


def test_the_command_line_loads_no_slow_library(root: Path) -> None:
    program = (
        "import atexit, runpy, sys\n"
        f"slow = set({SLOW_MODULES!r})\n"
        "atexit.register(lambda: print(*sorted(slow & set(sys.modules)), file=sys.stderr))\n"
        "sys.argv = ['tonewatch', '--help']\n"
        "runpy.run_module('pipeline', run_name='__main__')\n"
    )

    process = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )

    assert "Usage" in process.stdout
    assert process.stderr.split() == []


def test_help_answers_in_half_a_second_of_cpu(root: Path) -> None:
    seconds = [_cpu_seconds([sys.executable, "-m", "pipeline", "--help"], root) for _ in range(3)]

    # The best of three, and CPU time in place of the wall clock: a busy machine is not a slow program.
    assert min(seconds) < 0.5


def touches_of_the_world(tree: ast.Module) -> list[str]:
    """List imports of the modules that reach the world, and calls that open a file or read a clock."""
    touches: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
            touches += [f"{node.lineno} imports {name}" for name in names if name in WORLD_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in WORLD_MODULES:
            touches.append(f"{node.lineno} imports {node.module}")
        elif isinstance(node, ast.Call) and _name(node.func) in FILE_CALLS | CLOCK_CALLS:
            touches.append(f"{node.lineno} calls {_name(node.func)}")
    return touches


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _cpu_seconds(command: list[str], cwd: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
