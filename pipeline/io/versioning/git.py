"""Git, called without touching the user's index, hooks or configuration; the version of the code."""

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import __version__
from pipeline.base.errors import Fault, NotAWorkspace

# Inside a hook git sets these variables, which would point our calls to another repository.
VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)
# A command that asks a remote never waits for a person.
UNATTENDED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=10",
}
IDENTITY = {"NAME": "tonewatch", "EMAIL": "tonewatch@localhost"}


class GitRefused(Fault):
    """Raised with git's own message when a git command fails."""


@dataclass(frozen=True)
class Git:
    """Run git in one repository."""

    root: Path

    def run(
        self, *words: str, stdin: bytes = b"", index: Path | None = None, seconds: float | None = None
    ) -> str:
        """Run git with `stdin` as its input, and return what it printed.

        A command that asks a remote is ended after so many `seconds`, and never asks for a password. Raises
        GitRefused with git's own message, NotAWorkspace where the repository belongs to somebody else.
        """
        settings = ("core.hooksPath=/dev/null", "commit.gpgSign=false", "gc.auto=0")
        command = ("git", *(word for setting in settings for word in ("-c", setting)), *words)
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environment |= {
            f"GIT_{role}_{field}": value
            for role in ("AUTHOR", "COMMITTER")
            for field, value in IDENTITY.items()
        }
        environment |= {"LC_ALL": "C", **({"GIT_INDEX_FILE": str(index)} if index else {})}
        if seconds is not None:
            environment = {**UNATTENDED, **environment}
        code, out, err = _run(command, self.root, stdin, environment, seconds)
        if code:
            reason = err.decode(errors="replace").strip().rstrip(".")
            if "dubious ownership" in reason:
                raise _not_ours(self.root)
            raise GitRefused(f"`git {' '.join(words[:2])}` failed in {self.root}: {reason}")
        return out.decode()

    def ask(self, *words: str) -> str | None:
        """Run git and return the line it printed, None when it fails."""
        try:
            return self.run(*words).strip()
        except (GitRefused, NotAWorkspace):
            return None

    def commit_of(self, name: str) -> str | None:
        """Return the commit of a branch or a tag, None where there is none."""
        return self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def commit_files(
        self, contents: Mapping[str, bytes], message: str, *, parent: str | None, index: Path
    ) -> str:
        """Write a commit of exactly these files through its own index, and return it; no branch moves."""
        lines = []
        for path, content in contents.items():
            blob = self.run("hash-object", "-w", "--stdin", stdin=content).strip()
            lines.append(f"100644 {blob}\t{path}\n")
        index.unlink(missing_ok=True)
        self.run("update-index", "--add", "--index-info", stdin="".join(lines).encode(), index=index)
        tree = self.run("write-tree", index=index).strip()
        return self.run(
            "commit-tree", tree, *(("-p", parent) if parent else ()), stdin=message.encode()
        ).strip()

    def move(self, updates: Sequence[str]) -> None:
        """Apply `git update-ref` instructions in one transaction.

        Raises GitRefused when a reference does not have its expected value any more.
        """
        lines = "".join(f"{line}\n" for line in ("start", *updates, "prepare", "commit"))
        self.run("update-ref", "--stdin", stdin=lines.encode())


def _run(
    command: Sequence[str], root: Path, stdin: bytes, environment: Mapping[str, str], seconds: float | None
) -> tuple[int, bytes, bytes]:
    """Run a command in a process group of its own; return its exit code, output and errors."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except FileNotFoundError as error:
        raise Fault(
            "git is not installed, and data versions are kept in git. Install it (`apt-get install git`)."
        ) from error
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        # The helper that talks to the remote holds the pipes, so it is ended too.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return 1, b"", f"no answer within {seconds:.0f} s".encode()
    return process.returncode, out, err


def _not_ours(root: Path) -> NotAWorkspace:
    owner = root.stat().st_uid
    return NotAWorkspace(
        f"{root} belongs to another user (number {owner}), and git refuses such a repository. If you trust "
        f"its owner, type `git config --global --add safe.directory {shlex.quote(str(root.resolve()))}`, "
        "then the same again."
    )


def ensure_git_and_dvc(root: Path) -> None:
    """Check that a workspace is the root of a git repository that is initialized for DVC.

    Raises NotAWorkspace with what to type.
    """
    try:
        top = Path(Git(root).run("rev-parse", "--show-toplevel").strip()).resolve()
    except GitRefused as error:
        raise NotAWorkspace(
            f"Data versions are kept in git, and {error}. Without a repository, type `git init {root}`."
        ) from error
    if top != root.resolve():
        raise NotAWorkspace(
            f"{root} lies inside the repository {top}; data versions need a repository of their own. "
            f"Type `git init {root}`."
        )
    if not (root / ".dvc" / "config").is_file():
        raise NotAWorkspace(f"{root} is not initialized for DVC. Type `dvc init` there.")


def code_version() -> str:
    """Return the commit of our checkout, with `+` for uncommitted changes; else the installed version."""
    home = Path(__file__).parents[3]
    git = Git(home)
    top, head = git.ask("rev-parse", "--show-toplevel"), git.commit_of("HEAD")
    if head is None or top is None or Path(top).resolve() != home.resolve():
        return f"tonewatch {__version__}"
    changed = git.run("status", "--porcelain", "--", "pipeline", "flows")
    return head + ("+" if changed else "")
