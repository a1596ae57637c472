"""Git, called so that nothing of the caller's own state is touched: no index, no hooks, no name that must be configured."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import __version__
from pipeline.base.errors import Fault, NotAWorkspace

# Inside a hook git names its own places in the environment, and they would lead us into another repository.
PLACES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
WHO = {"NAME": "tonewatch", "EMAIL": "tonewatch@localhost"}


class GitRefused(Fault):
    """Say what git answered when it did not do as asked."""


@dataclass(frozen=True)
class Git:
    """Hold the root of one repository."""

    root: Path

    def run(self, *words: str, given: bytes = b"", index: Path | None = None) -> str:
        """Run git and give what it printed.

        Raises GitRefused with git's own words.
        """
        command = (
            "git",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "commit.gpgSign=false",
            "-c",
            "gc.auto=0",
            *words,
        )
        environment = {name: value for name, value in os.environ.items() if name not in PLACES}
        environment |= {
            f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in WHO.items()
        }
        environment |= {"LC_ALL": "C", **({"GIT_INDEX_FILE": str(index)} if index else {})}
        try:
            done = subprocess.run(
                command, cwd=self.root, input=given, env=environment, capture_output=True, check=False
            )
        except FileNotFoundError as error:
            raise Fault(
                "git is not installed, and data versions are kept in git. Install it (`apt-get install git`)."
            ) from error
        if done.returncode:
            raise GitRefused(
                f"`git {' '.join(words[:2])}` failed in {self.root}: {done.stderr.decode(errors='replace').strip().rstrip('.')}"
            )
        return done.stdout.decode()

    def ask(self, *words: str) -> str | None:
        """Run git and give the line it printed; None when it says no."""
        try:
            return self.run(*words).strip()
        except GitRefused:
            return None

    def commit_of(self, name: str) -> str | None:
        """Give the commit that a branch or a tag means."""
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def commit_files(
        self, contents: Mapping[str, bytes], message: str, *, parent: str | None, index: Path
    ) -> str:
        """Write a commit of exactly these files, by way of an index of its own; no branch knows it yet."""
        lines = []
        for path, content in contents.items():
            blob = self.run("hash-object", "-w", "--stdin", given=content).strip()
            lines.append(f"100644 {blob}\t{path}\n")
        index.unlink(missing_ok=True)
        self.run("update-index", "--add", "--index-info", given="".join(lines).encode(), index=index)
        tree = self.run("write-tree", index=index).strip()
        return self.run(
            "commit-tree", tree, *(("-p", parent) if parent else ()), given=message.encode()
        ).strip()

    def move(self, updates: Sequence[str]) -> None:
        """Change several names at once, each only from the value it is expected to have.

        Raises GitRefused when one of them is not as expected any more.
        """
        self.run(
            "update-ref",
            "--stdin",
            given="".join(f"{line}\n" for line in ("start", *updates, "prepare", "commit")).encode(),
        )


def ensure_git_and_dvc(root: Path) -> None:
    """Check that a workspace is the root of a git repository that is initialized for DVC.

    Raises NotAWorkspace with what to type.
    """
    try:
        top = Path(Git(root).run("rev-parse", "--show-toplevel").strip()).resolve()
    except GitRefused as error:
        raise NotAWorkspace(
            f"Data versions are kept in git, and {error}. If there is no repository yet, type `git init {root}`."
        ) from error
    if top != root.resolve():
        raise NotAWorkspace(
            f"{root} lies inside the repository {top}; data versions need a repository of their own. "
            f"Type `git init {root}`."
        )
    if not (root / ".dvc" / "config").is_file():
        raise NotAWorkspace(f"{root} is not initialized for DVC. Type `dvc init` there.")


def code_version() -> str:
    """Return the commit of the checkout that runs, with `+` for uncommitted changes; else the installed version."""
    home = Path(__file__).parents[3]
    git = Git(home)
    top, head = git.ask("rev-parse", "--show-toplevel"), git.commit_of("HEAD")
    if head is None or top is None or Path(top).resolve() != home.resolve():
        return f"tonewatch {__version__}"
    changed = git.run("status", "--porcelain", "--", "pipeline", "flows")
    return head + ("+" if changed else "")
