"""New workspaces: a folder with dvc.yaml and params.yaml, under git and DVC."""

import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from pipeline.base.config import Workspace
from pipeline.base.config.parsing import split_sections
from pipeline.base.errors import UsageError
from pipeline.io import files
from pipeline.io.params_file import fill_params
from pipeline.io.versioning.git import Git

# The preset `english` is params.yaml itself; another preset replaces sections of it, or, where it only starts
# from other weights, a few values.
ENGLISH = "english"
STARTS = "starts"
# As `dvc init` writes them, with its reporting off.
DVC = {
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvcignore": (
        "# Add patterns of files dvc should ignore, which could improve\n# the performance. Learn more at\n"
        "# https://dvc.org/doc/user-guide/dvcignore\n"
    ),
}


def init_workspace(folder: Path, preset: str, *, params: str | None = None) -> Path:
    """Initialize a workspace in a folder and return it: git, DVC, dvc.yaml, params.yaml; existing files stay.

    `params` is the text of its params.yaml, by default that of the preset.
    Raises UsageError for an unknown preset and for a folder that is a workspace already.
    """
    contents = _contents(params if params is not None else params_of(preset))
    Workspace.of(folder, {})  # refuses a path that the address of a database cannot hold
    for name in ("dvc.yaml", "params.yaml"):
        # An equal dvc.yaml without params.yaml was left by a killed `init`.
        path = folder / name
        if path.exists() and (name == "params.yaml" or path.read_text("utf-8") != contents[name]):
            raise UsageError(f"{path} exists. Name a new folder, or type `tonewatch run` there.")
    folder.mkdir(parents=True, exist_ok=True)
    git = Git(folder)
    if _top(git) != folder.resolve():
        git.run("-c", "init.defaultBranch=main", "init", "--quiet")
    # params.yaml last: it makes the folder a workspace, so a killed `init` can be repeated.
    for name, content in contents.items():
        if name.endswith(".gitignore"):
            content = _merge_lines(folder / name, content)
        elif (folder / name).exists():
            continue
        files.write_bytes(folder / name, content.encode())
    if git.commit_of("HEAD") is None and not git.run("ls-files"):
        git.run("add", "--force", "--", *contents)
        git.run(
            "commit", "--quiet", "--no-verify", "-m", "Make a Tonewatch workspace", "--only", "--", *contents
        )
    return folder


def presets() -> tuple[str, ...]:
    """Return the names of the presets."""
    return (ENGLISH, *sorted((_names(_folder()) | _names(_folder() / STARTS)) - {"dvc", "params"}))


def params_of(preset: str) -> str:
    """Return the params.yaml of a preset: the default one with its sections or values in it.

    Raises UsageError for an unknown preset.
    """
    if preset not in presets():
        raise UsageError(
            f"There is no preset {preset!r} (known: {', '.join(presets())}). Type `--preset {ENGLISH}`."
        )
    if preset in _names(_folder() / STARTS):
        return fill_params(_read("params.yaml"), yaml.safe_load(_read(f"{STARTS}/{preset}.yaml")))
    sections = split_sections(_read("params.yaml"))
    if preset != ENGLISH:
        overlay = split_sections(_read(f"{preset}.yaml"))
        assert overlay.keys() <= sections.keys(), "a preset may only replace sections"
        sections |= overlay
    return "".join(sections.values())


def data_ignores(dvc_yaml: str) -> str:
    """Return data/.gitignore with every out of dvc.yaml, so that DVC does not edit it."""
    outs = [
        out if isinstance(out, str) else next(iter(out))
        for stage in yaml.safe_load(dvc_yaml)["stages"].values()
        for out in stage["outs"]
    ]
    lines = ["# Every out of dvc.yaml, and what a killed writer leaves beside it."]
    lines += [f"/{out.removeprefix('data/')}" for out in outs]
    return "\n".join([*lines, "/.*.staging-*", "/.*.old-*", ""])


def _contents(params: str) -> dict[str, str]:
    pipeline = _read("dvc.yaml")
    own = {
        ".gitignore": _read("gitignore"),
        "data/.gitignore": data_ignores(pipeline),
        "dvc.yaml": pipeline,
        "params.yaml": params,
    }
    return {**DVC, **own}


def _merge_lines(path: Path, lines: str) -> str:
    """Append to the lines of a file those that it lacks."""
    present = path.read_text("utf-8").splitlines() if path.is_file() else []
    return "\n".join([*present, *(line for line in lines.splitlines() if line not in present), ""])


def _folder() -> Traversable:
    return importlib.resources.files("pipeline") / "presets"


def _names(folder: Traversable) -> set[str]:
    return {file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")}


def _read(name: str) -> str:
    return (_folder() / name).read_text("utf-8")


def _top(git: Git) -> Path | None:
    top = git.ask("rev-parse", "--show-toplevel")
    return Path(top).resolve() if top else None
