"""The projects that the sandbox of every runtime clones, and the credentials for them. Pure."""

from __future__ import annotations

import posixpath
import re

from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause, Project
from moorage.contract.repositories import place_of
from moorage.contract.spec import TOOLS_ROOT, clone_path_fault
from moorage.kernel.addresses import leads_back

STAGE = "/clone"
"""In the sandbox, on disk and its alone: where Git works, out of reach of the other containers."""
RECEIVE = f"""
receive={TOOLS_ROOT}/bin/workspace-receive
[ ! -e $receive ] || exec {TOOLS_ROOT}/bin/busybox sh $receive
[ -z "${{MOORAGE_CREDENTIALS_FOR:-}}" ] && [ -e "${{MOORAGE_RUN:-/run/moorage}}/projects" ] && exit 0
exit 9
"""
"""Run in the sandbox, with `credential_lines` on standard input. Tools of an earlier version would
clone where the workspace's containers can reach it: they get nothing. A sandbox that an agent of an
earlier version made, and gave it to, works on."""


def sandbox_environment(projects: tuple[Project, ...], *, whole: bool) -> dict[str, str]:
    """The variables that tell `workspace-clone` what to do. `whole`: history and all before the
    start, as for steps that work on the projects before anything else runs. Raises `RuntimeFault`
    (final)."""
    env = {"MOORAGE_PROJECTS": project_lines(projects), "MOORAGE_STAGE": STAGE}
    if paths := [fields[0] for fields in map(_credential_fields, projects) if fields]:
        env["MOORAGE_CREDENTIALS_FOR"] = "\n".join(paths)
        if not whole:
            env["MOORAGE_HISTORY"] = "behind"
    return env


def project_lines(projects: tuple[Project, ...]) -> str:
    """A line per project, fields apart by a tab; what lies in another's folder comes after it.

    Raises `RuntimeFault` (final).
    """
    paths = sorted(projects, key=lambda project: posixpath.normpath(project.clone_path).count("/"))
    return "\n".join(_project_line(project) for project in paths)


def _project_line(project: Project) -> str:
    path = posixpath.normpath(project.clone_path)
    if fault := clone_path_fault(project.clone_path):
        raise _unusable(project, f"its folder {fault}")
    remotes = [f"{name}={url}" for name, url in project.remotes.items()]
    fields = [path, project.url, project.ref, project.remote, " ".join(remotes)]
    fields += [project.full_ref, project.commit] if project.full_ref or project.commit else []
    words = [*fields[:4], *fields[5:], *project.remotes.keys(), *project.remotes.values()]
    if any(re.search(r"[\x00-\x20\x7f]", word) for word in words[1:]) or re.search(
        r"[\x00-\x1f\x7f]", path
    ):
        raise _unusable(
            project, "its address, ref or a remote has a space or control character in it"
        )
    if any(word.startswith("-") for word in words):
        raise _unusable(project, "its folder, address, ref or a remote begins with a dash")
    return "\t".join(fields)


def credential_lines(projects: tuple[Project, ...]) -> str:
    """The input of `workspace-receive`, an empty line at its end; "": there is nothing to hand
    over.

    It is never in an argument or a variable. Raises `RuntimeFault` (final).
    """
    lines = ["\t".join(fields) + "\n" for fields in map(_credential_fields, projects) if fields]
    return "".join([*lines, "\n"]) if lines else ""


def _credential_fields(project: Project) -> tuple[str, ...]:
    """(): it has none, or one that is not its host's, or that would be told to an address that
    leads back into the workspace, where anybody may listen."""
    place, credential = place_of(project.url), project.credential
    if (
        credential is None
        or place is None
        or leads_back(re.sub(r":[0-9]+$", "", place.host))
        or place.host != _host_of(project, credential.host)
    ):
        return ()
    fields = (
        posixpath.normpath(project.clone_path),
        *place,
        credential.username,
        credential.password,
        *filter(None, [credential.submodules]),
    )
    if any(re.search(r"[\x00-\x1f]", field) for field in fields):
        raise _unusable(project, "its credential has a control character in it")
    return fields


def _host_of(project: Project, host: str) -> str:
    """As a `RepositoryPlace` has it."""
    place = place_of(f"{project.url.partition('://')[0]}://{host}/any")
    return "" if place is None else place.host


def _unusable(project: Project, why: str) -> RuntimeFault:
    cause = Cause(
        code="project-invalid",
        message=f"The project {project.name} cannot be cloned: {why}.",
        hint="Correct it in the devfile or in the request.",
    )
    return RuntimeFault(cause, final=True)
