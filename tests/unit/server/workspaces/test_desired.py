"""What an agent is told of a workspace."""

from __future__ import annotations

import pytest

from moorage.contract import Project, WorkspaceSpec
from moorage.server.settings import Credentials
from moorage.server.workspaces.desired import with_credentials


@pytest.mark.parametrize(
    ("asked", "opened"),
    [
        ("https://h/team/app.git", ["https://h/team/app", "https://H:443/team/app.git/"]),
        ("https://h/team/secret", ["https://h/team/secret"]),
        ("https://evil.org/team/app.git", []),
        ("http://h/team/app.git", []),
    ],
)
def test_a_credential_is_for_the_project_that_was_asked_for(asked: str, opened: list[str]) -> None:
    """A foreign repository's devfile may name projects on the company's host: it gets no credential
    for them. One that names its own repository keeps it, however it writes that."""
    urls = (
        "https://h/team/app",
        "https://H:443/team/app.git/",
        "https://h/team/secret",
        "http://h/team/app.git",
        "https://h:444/team/app.git",
        "https://me@h/team/app.git",
        "https://h@evil.org/team/app.git",
        "ssh://h/team/app.git",
        "https://h.evil.org/team/app.git",
        "https://[x/team/app.git",
    )
    projects = tuple(Project(name="p", clone_path="p", url=url, remotes={"r": url}) for url in urls)
    spec = WorkspaceSpec(containers=(), main_container="", projects=projects)
    given = with_credentials(spec, Credentials({"https://h": ("u", "p")}), asked=asked)
    assert [project.url for project in given.projects if project.credential is not None] == opened
    scopes = {project.credential.submodules for project in given.projects if project.credential}
    assert scopes <= {"folder"}
