"""What the sandbox of every runtime is told to clone, and with which credentials. Pure."""

from __future__ import annotations

import posixpath
import re

from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause, Project


def project_lines(projects: tuple[Project, ...]) -> str:
    """What `workspace-clone` reads: a line per project, fields apart by a tab. Raises `RuntimeFault` (final)."""
    return "\n".join(_project_line(project) for project in projects)


def _project_line(project: Project) -> str:
    path = posixpath.normpath(project.clone_path)
    if path.startswith(("/", "..")) or path == ".":
        raise _unusable(project, "its folder is not inside of the projects' folder")
    if path.split("/")[0] in (".home", ".moorage"):
        raise _unusable(project, "its folder is Moorage's own")
    remotes = [f"{name}={url}" for name, url in project.remotes.items()]
    fields = [path, project.url, project.ref, project.remote, " ".join(remotes)]
    words = [*fields[:4], *project.remotes.keys(), *project.remotes.values()]
    if any(re.search(r"[\x00-\x20\x7f]", word) for word in words[1:]) or re.search(r"[\x00-\x1f\x7f]", path):
        raise _unusable(project, "its address, ref or a remote has a space or control character in it")
    if any(word.startswith("-") for word in words):
        raise _unusable(project, "its folder, address, ref or a remote begins with a dash")
    return "\t".join(fields)


def credential_lines(projects: tuple[Project, ...]) -> str:
    """What `workspace-credential` reads; never in an argument or a variable."""
    lines = []
    for project in projects:
        if (credential := project.credential) is None:
            continue
        fields = (credential.host, credential.username, credential.password)
        if any(re.search(r"[\x00-\x1f]", field) for field in fields):
            raise _unusable(project, "its credential has a control character in it")
        lines.append("\t".join(fields) + "\n")
    return "".join(lines)


def _unusable(project: Project, why: str) -> RuntimeFault:
    cause = Cause(
        code="project-invalid",
        message=f"The project {project.name} cannot be cloned: {why}.",
        hint="Correct it in the devfile or in the request.",
    )
    return RuntimeFault(cause, final=True)
