"""The data branch of the git remote: continued, not begun a second time, in a clone that lacks it."""

from pipeline.base import logs
from pipeline.base.errors import Fault
from pipeline.io.versioning.git import Git, GitRefused

BRANCH = "refs/heads/data/main"
FETCH_SECONDS = 10

log = logs.get("versions")


def follow_remote(git: Git) -> None:
    """Fast-forward the local data branch to that of the remote, where one has it.

    A clone of a single branch, or a shallow one, has the branch only at the remote. A remote that does not
    respond within FETCH_SECONDS is passed over, with a warning; what was fetched of it earlier counts. Raises
    Fault where the history of the branch stays cut off.
    """
    remote = find_remote(git)
    if remote is None:
        return
    try:
        if git.run("ls-remote", remote, BRANCH, seconds=FETCH_SECONDS):
            _fetch(git, remote)
    except GitRefused as error:
        log.warning("data_branch.remote_unreachable", remote=remote, error=str(error))
    theirs, ours = git.commit_of(tracking_ref(remote)), git.commit_of(BRANCH)
    if theirs is None or theirs == ours:
        return
    if is_cut(git, theirs):
        raise Fault(
            "The history of the data branch is cut off: this is a shallow clone, and the data versions "
            "before its end are unknown here. Type "
            f"`git fetch --unshallow {remote} {BRANCH}:{tracking_ref(remote)}`, then the same again."
        )
    if ours is None or is_ancestor(git, ours, theirs):
        git.move([f"update {BRANCH} {theirs} {ours}" if ours else f"create {BRANCH} {theirs}"])
        log.info("data_branch.followed", remote=remote, commit=theirs)
    elif not is_ancestor(git, theirs, ours):
        log.warning("data_branch.diverged", remote=remote, ours=ours, theirs=theirs)


def find_remote(git: Git) -> str | None:
    """Return the name of the git remote, `origin` where there are several; None without one."""
    remotes = git.run("remote").split()
    return "origin" if "origin" in remotes else next(iter(remotes), None)


def tracking_ref(remote: str) -> str:
    """Return the reference that holds what was fetched last of a remote's data branch."""
    return f"refs/remotes/{remote}/data/main"


def is_ancestor(git: Git, old: str, new: str) -> bool:
    """Return whether a commit belongs to the history of another."""
    return git.ask("merge-base", "--is-ancestor", old, new) is not None


def is_cut(git: Git, commit: str) -> bool:
    """Return whether a shallow clone lacks a part of a commit's history."""
    if git.ask("rev-parse", "--is-shallow-repository") != "true":
        return False
    # A grafted commit has parents in its own text that git leaves out of the history.
    oldest = git.run("rev-list", "--max-parents=0", commit).split()
    return any("\nparent " in git.run("cat-file", "commit", root).partition("\n\n")[0] for root in oldest)


def _fetch(git: Git, remote: str) -> None:
    refspec = f"+{BRANCH}:{tracking_ref(remote)}"
    git.run("fetch", "--quiet", "--no-tags", remote, refspec, seconds=FETCH_SECONDS)
    if is_cut(git, str(git.commit_of(tracking_ref(remote)))):
        git.run("fetch", "--quiet", "--no-tags", "--unshallow", remote, refspec, seconds=FETCH_SECONDS)
