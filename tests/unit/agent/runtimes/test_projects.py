"""What the sandbox is told to clone."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes import projects
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Credential, Project


def project(**fields: Any) -> Project:
    return Project(**{"name": "app", "clone_path": "app", "url": "https://x.org/app.git", **fields})


def test_credential_lines() -> None:
    """A credential is a line of host, user and password; a project without one has none."""
    secret = Credential(host="x.org", username="u", password="hunter2")
    assert projects.credential_lines((project(credential=secret), project())) == "x.org\tu\thunter2\n"


def test_project_lines() -> None:
    """A project is a line of clone path, URL, ref, remote and further remotes."""
    found = projects.project_lines(
        (project(ref="v1", remotes={"up": "https://y/a"}), project(clone_path="b/c"))
    )
    assert found.split("\n") == [
        "app\thttps://x.org/app.git\tv1\torigin\tup=https://y/a",
        "b/c\thttps://x.org/app.git\t\torigin\t",
    ]


UNUSABLE = [
    {"clone_path": "../x"},
    {"clone_path": "a/../../x"},
    {"clone_path": "/etc"},
    {"clone_path": "."},
    {"clone_path": ".home/.ssh"},
    {"clone_path": "-rf"},
    {"clone_path": "a\nb"},
    {"url": "--upload-pack=evil"},
    {"url": "https://x/ y"},
    {"ref": "-b"},
    {"ref": "a\tb"},
    {"remote": "--x"},
    {"remotes": {"--x": "https://y"}},
    {"remotes": {"up": "-y"}},
    {"credential": Credential(host="x", username="u", password="a\nhost2\tu\tb")},
]


@pytest.mark.parametrize("fields", UNUSABLE)
def test_unusable_projects(fields: dict[str, Any]) -> None:
    """What could reach outside of its folder, or pass for an option or another line, is refused."""
    found = (project(**fields),)
    read = projects.credential_lines if "credential" in fields else projects.project_lines
    with pytest.raises(RuntimeFault) as caught:
        read(found)
    assert caught.value.final
    assert caught.value.cause.code == "project-invalid"
