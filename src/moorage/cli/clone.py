"""A clone on this machine: which repository and branch a workspace of it has, and what it has that
the repository has not."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from moorage.kernel.errors import InvalidInput


@dataclass(frozen=True)
class Clone:
    repository: str
    """URL of its remote, without password or token."""
    ref: str
    """The remote's branch that is checked out here, or the commit."""
    notes: tuple[str, ...]
    """What a workspace will not have."""


def names_folder(repository: str) -> bool:
    """Whether this means a folder here, not a repository elsewhere: it begins as a path does."""
    return repository in (".", "..") or repository.startswith(("./", "../", "/", "~"))


def read_clone(folder: Path, *, ref: str = "") -> Clone:
    """Reads where the folder's branch comes from. `ref`, when it was said, is taken for it.

    Raises `InvalidInput`, field `repository`, for what is no clone, has no remote, or is on a
    branch that was not pushed.
    """
    if not folder.is_dir():
        raise _refused(f"{folder} is no folder.", hint="Give a repository's URL, or a clone of it.")
    if _git(folder, "rev-parse", "--is-inside-work-tree") != "true":
        raise _refused(
            f"{folder} is no clone of a Git repository.",
            hint="Give a repository's URL, or go to a clone of it.",
        )
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")
    remote = _remote(folder, branch)
    url = _without_password(_git(folder, "remote", "get-url", remote))
    found = ref or _pushed(folder, branch, remote)
    return Clone(url, found, () if ref else tuple(_left_here(folder, branch, remote, found)))


def _remote(folder: Path, branch: str) -> str:
    """The one that the branch follows, else `origin`, else the only one."""
    remotes = _git(folder, "remote").splitlines()
    followed = _git(folder, "config", f"branch.{branch}.remote") if branch else ""
    candidates = [followed, "origin", *(remotes if len(remotes) == 1 else [])]
    if known := [name for name in candidates if name in remotes]:
        return known[0]
    if not remotes:
        raise _refused(
            "This clone has no remote: a workspace could not fetch it.",
            hint="Push it to a Git host first: git remote add origin URL, git push -u origin HEAD.",
        )
    raise _refused(
        f"This clone has several remotes ({', '.join(remotes)}), and its branch follows none.",
        hint="Say which: git branch --set-upstream-to=REMOTE/BRANCH, or give the URL.",
    )


def _pushed(folder: Path, branch: str, remote: str) -> str:
    """The branch's name at the remote; for a commit that is checked out itself, the commit."""
    if not branch:
        commit = _git(folder, "rev-parse", "HEAD")
        if not _git(folder, "branch", "--remotes", "--contains", commit):
            raise _refused(
                f"The commit {commit[:8]}, which is checked out here, is on no branch of {remote}.",
                hint="Push a branch that has it, or name one with --ref.",
            )
        return commit
    merged = _git(folder, "config", f"branch.{branch}.merge").removeprefix("refs/heads/")
    followed = _git(folder, "config", f"branch.{branch}.remote") == remote
    name = merged if followed and merged else branch
    if not _git(folder, "rev-parse", "--quiet", "--verify", f"refs/remotes/{remote}/{name}"):
        raise _refused(
            f"The branch {branch} has not been pushed to {remote}: a workspace could not fetch it.",
            hint=f"Push it (git push -u {remote} {branch}), or name another with --ref.",
        )
    return name


def _left_here(folder: Path, branch: str, remote: str, found: str) -> list[str]:
    notes = []
    if _git(folder, "status", "--porcelain"):
        notes.append("Changes here that are not committed will not be in the workspace.")
    ahead = branch and _git(folder, "rev-list", "--count", f"refs/remotes/{remote}/{found}..HEAD")
    if ahead and ahead != "0":
        commits = "A commit here that is" if ahead == "1" else f"{ahead} commits here that are"
        notes.append(f"{commits} not pushed will not be in the workspace.")
    return notes


def _without_password(url: str) -> str:
    """A token in a remote's URL is this machine's own: it is not sent."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return url
    return str(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))


def _git(folder: Path, *arguments: str) -> str:
    """What Git prints; "" when it fails. Raises `InvalidInput` where there is no Git."""
    try:
        done = subprocess.run(  # noqa: S603 - words of our own, and names that Git told
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the person's own Git
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"},
        )
    except FileNotFoundError as error:
        raise _refused(
            "There is no git here to read the clone with.", hint="Give the repository's URL."
        ) from error
    return done.stdout.strip() if done.returncode == 0 else ""


def _refused(message: str, *, hint: str) -> InvalidInput:
    return InvalidInput(message, code="clone-unusable", field="repository", hint=hint)
