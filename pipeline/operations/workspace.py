"""Workspaces: a folder with dvc.yaml and params.yaml, under git and DVC."""

import importlib.resources
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from pipeline.base.config.parsing import split_sections
from pipeline.base.errors import UsageError
from pipeline.io import files
from pipeline.io.versioning.git import Git

# The preset `english` is params.yaml as it is; another lays its sections over it.
ENGLISH = "english"
# As `dvc init` writes them, with its reporting off.
DVC = {
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvcignore": (
        "# Add patterns of files dvc should ignore, which could improve\n# the performance. Learn more at\n# https://dvc.org/doc/user-guide/dvcignore\n"
    ),
}


def init_workspace(folder: Path, preset: str) -> Path:
    """Make a folder a workspace: git, DVC, dvc.yaml, params.yaml; what already lies there stays as it is.

    Raises WrongUse for an unknown preset and for a folder that is a workspace already.
    """
    contents = _contents(preset)
    for name in ("dvc.yaml", "params.yaml"):
        # An equal dvc.yaml by itself was left by an `init` that was killed.
        if (folder / name).exists() and (
            name == "params.yaml" or (folder / name).read_text("utf-8") != contents[name]
        ):
            raise UsageError(f"{folder / name} exists. Name a new folder, or type `tonewatch run` there.")
    folder.mkdir(parents=True, exist_ok=True)
    git = Git(folder)
    if _top(git) != folder.resolve():
        git.run("-c", "init.defaultBranch=main", "init", "--quiet")
    # params.yaml goes last: with it the folder is a workspace, so that a killed `init` can be typed again.
    for path, content in contents.items():
        if path.endswith(".gitignore"):
            content = _joined(folder / path, content)
        elif (folder / path).exists():
            continue
        files.write_bytes(folder / path, content.encode())
    if git.commit_of("HEAD") is None and not git.run("ls-files"):
        git.run("add", "--force", "--", *contents)
        git.run(
            "commit",
            "--quiet",
            "--no-verify",
            "--message",
            "Make a Tonewatch workspace",
            "--only",
            "--",
            *contents,
        )
    return folder


def presets() -> tuple[str, ...]:
    """Name every preset."""
    overlays = {
        file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml")
    }
    return (ENGLISH, *sorted(overlays - {"dvc", "params"}))


def params_of(preset: str) -> str:
    """Give the params.yaml of a preset: the default one, each section that the preset has in place of its own."""
    if preset not in presets():
        raise UsageError(
            f"There is no preset {preset!r} (known: {', '.join(presets())}). Type `--preset {ENGLISH}`."
        )
    sections = split_sections(_read("params.yaml"))
    if preset != ENGLISH:
        overlay = split_sections(_read(f"{preset}.yaml"))
        assert overlay.keys() <= sections.keys(), "a preset may only replace sections"
        sections |= overlay
    return "".join(sections.values())


def data_ignores(dvc_yaml: str) -> str:
    """Give data/.gitignore: every out of dvc.yaml, so that DVC finds it done and leaves it alone."""
    outs = [
        out if isinstance(out, str) else next(iter(out))
        for stage in yaml.safe_load(dvc_yaml)["stages"].values()
        for out in stage["outs"]
    ]
    lines = ["# Every out of dvc.yaml, and what a killed writer leaves beside it."]
    lines += [f"/{out.removeprefix('data/')}" for out in outs]
    return "\n".join([*lines, "/.*.staging-*", "/.*.old-*", ""])


def _contents(preset: str) -> dict[str, str]:
    pipeline = _read("dvc.yaml")
    own = {
        ".gitignore": _read("gitignore"),
        "data/.gitignore": data_ignores(pipeline),
        "dvc.yaml": pipeline,
        "params.yaml": params_of(preset),
    }
    return {**DVC, **own}


def _joined(path: Path, lines: str) -> str:
    """Add the lines that a file does not have yet to those it has."""
    found = path.read_text("utf-8").splitlines() if path.is_file() else []
    return "\n".join([*found, *(line for line in lines.splitlines() if line not in found), ""])


def _folder() -> Traversable:
    return importlib.resources.files("pipeline") / "presets"


def _read(name: str) -> str:
    return (_folder() / name).read_text("utf-8")


def _top(git: Git) -> Path | None:
    found = git.ask("rev-parse", "--show-toplevel")
    return Path(found).resolve() if found else None
