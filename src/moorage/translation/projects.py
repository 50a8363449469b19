"""The repository that a workspace is for, and the devfile's projects → what is cloned, and where
to."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

import msgspec

from moorage.contract.spec import Project, clone_path_fault
from moorage.devfile import Devfile
from moorage.devfile import model as devfile_model
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report

_URL = re.compile(r"(https?|ssh)://([^\s/@]+@)?[A-Za-z0-9\[][^\s/@]*(/\S*)?")
"""The host must not look like an option: Git hands it to ssh."""
_SCP = re.compile(r"([A-Za-z0-9._]+@)([A-Za-z0-9][A-Za-z0-9.-]*):(?!/?/)([^\s:-][^\s]*)")
_REMOTE = re.compile(r"[a-z0-9][a-z0-9-]*")
_REVISION = re.compile(r"[^\s~^:?*\[\\-][^\s~^:?*\[\\]*")


def translate(devfile: Devfile, project: Project | None, report: Report) -> tuple[Project, ...]:
    """`project` first, then projects and dependentProjects; one of the same repository as an
    earlier one is left out.

    Adds a problem for a URL or a path that cannot be used.
    """
    made: list[Project] = []
    urls: set[str] = set()
    folders: dict[str, Project] = {}

    def take(translated: Project) -> None:
        made.append(translated)
        urls.add(_identity(translated.url))
        folders.setdefault(translated.clone_path, translated)

    if project is not None:
        take(project)
    for key, elements in (
        ("projects", devfile.projects),
        ("dependentProjects", devfile.dependent_projects),
    ):
        for index, element in enumerate(elements):
            translated = _translated(element, (key, index), report)
            if translated is None or _identity(translated.url) in urls:
                continue
            taken = folders.get(translated.clone_path)
            if taken is not None and taken is project:
                made[0] = _beside(made[0], translated, (key, index), report)
                urls.add(_identity(translated.url))
                continue
            if taken is not None:
                report.add(
                    "clone-path-twice",
                    f"The projects {short(taken.name)!r} and {short(translated.name)!r} are both to be cloned into"
                    f" {short(taken.clone_path)!r}.",
                    (key, index),
                    hint="Give one of them a clonePath of its own.",
                )
            take(translated)
    return tuple(made)


def _beside(project: Project, other: Project, path: Path, report: Report) -> Project:
    """The workspace's own repository, when the devfile has another one for its folder. When they
    are called alike, one is a fork of the other, which becomes a remote of it."""
    remotes = {project.remote, *project.remotes}
    called, other_called = (
        _identity(each.url).rpartition("/")[2].lower() for each in (project, other)
    )
    alike = called == other_called
    name = next((word for word in ("upstream", other.name) if word not in remotes), "")
    if not alike or not name or not _REMOTE.fullmatch(name):
        report.warn(
            "project-left-out",
            f"The project {short(other.name)!r} is not cloned: {short(project.clone_path)!r} is the folder"
            " of the workspace's own repository.",
            path,
            hint="Give the project a clonePath of its own.",
        )
        return project
    report.warn(
        "project-is-remote",
        f"The project {short(other.name)!r} is not cloned beside the workspace's own repository, which"
        f" seems to be a fork of it: it is its remote {name!r}.",
        path,
    )
    return msgspec.structs.replace(project, remotes={**project.remotes, name: other.url})


def _translated(element: devfile_model.Project, path: Path, report: Report) -> Project | None:
    git = element.git or element.github
    kind = "git" if element.git is not None else "github"
    if git is None:
        report.warn(
            "project-not-cloned",
            f"The project {element.name!r} is not a Git repository; it is not fetched.",
            path,
            hint="Fetch it with a postStart command.",
        )
        return None
    if element.sparse_checkout_dirs:
        report.warn(
            "sparse-checkout-ignored",
            f"The project {element.name!r} is cloned as a whole.",
            (*path, "sparseCheckoutDirs"),
        )
    remotes = {
        name: _url(url, (*path, kind, "remotes", name), report) for name, url in git.remotes.items()
    }
    chosen = git.remote or next(iter(remotes), "")
    if git.revision and not _REVISION.fullmatch(git.revision):
        report.add(
            "bad-revision",
            f"{git.revision[:60]!r} is no branch, tag or commit.",
            (*path, kind, "checkoutFrom", "revision"),
        )
    return Project(
        name=element.name,
        clone_path=_clone_path(element.clone_path or element.name, (*path, "clonePath"), report),
        url=remotes.get(chosen, ""),
        ref=git.revision,
        remote=chosen,
        remotes={name: url for name, url in remotes.items() if name != chosen},
    )


def _url(url: str, path: Path, report: Report) -> str:
    """`url`, which Git may be given: no local path, no command, no option. `git@host:path` becomes
    an ssh URL."""
    if found := _SCP.fullmatch(url):
        return f"ssh://{found[1]}{found[2]}/{found[3]}"
    if not _URL.fullmatch(url) or not _is_readable(url):
        report.add(
            "bad-project-url",
            f"{url[:80]!r} cannot be cloned.",
            path,
            hint="Use an https:// or ssh:// URL.",
        )
    return url


def _is_readable(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _clone_path(text: str, path: Path, report: Report) -> str:
    if fault := clone_path_fault(text):
        report.add(
            "bad-clone-path",
            f"clonePath {text[:60]!r} {fault}.",
            path,
            hint="Write a relative path such as 'services/api'.",
        )
    return posixpath.normpath(text)


def _identity(url: str) -> str:
    """Host and path, by which https and ssh URLs of one repository agree."""
    rest = url.partition("://")[2] or url
    host, _, path = rest.partition("/")
    return f"{host.rpartition('@')[2].partition(':')[0].lower()}/{path.rstrip('/').removesuffix('.git')}"
