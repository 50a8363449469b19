"""What the sandbox is told to clone."""

from __future__ import annotations

from typing import Any

import pytest

from address_forms import forms_of
from moorage.agent.runtimes import projects
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Credential, Project


def project(**fields: Any) -> Project:
    return Project(**{"name": "app", "clone_path": "app", "url": "https://x.org/app.git", **fields})


def test_credential_lines() -> None:
    """A credential is a line of clone path, protocol, host, repository, user and password; a
    project without one has none. An empty line ends them."""
    secret = Credential(host="X.org", username="u", password="hunter2")
    given = (project(credential=secret), project(clone_path="b"))
    assert projects.credential_lines(given) == "app\thttps\tx.org\tapp\tu\thunter2\n\n"
    env = projects.sandbox_environment(given, whole=False)
    assert (env["MOORAGE_CREDENTIALS_FOR"], env["MOORAGE_HISTORY"]) == ("app", "behind")
    assert "MOORAGE_HISTORY" not in projects.sandbox_environment(given, whole=True)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://y.org/app.git", "x.org"),
        ("https://x.org:8443/app.git", "x.org"),
        ("https://x.org/app.git", "x.org:8443"),
        ("https://x.org@evil.org/app.git", "x.org"),
        ("https://me@x.org/app.git", "x.org"),
        ("ssh://x.org/app.git", "x.org"),
        ("http://localhost:3000/app.git", "localhost:3000"),
        ("http://git.localhost/app.git", "git.localhost"),
        ("http://127.9.9.9/app.git", "127.9.9.9"),
        ("http://127.1/app.git", "127.1"),
        ("http://0x7f000001/app.git", "0x7f000001"),
        ("http://0.0.0.0/app.git", "0.0.0.0"),
        ("http://[::1]:80/app.git", "[::1]"),
        ("http://[::ffff:127.0.0.1]/app.git", "[::ffff:127.0.0.1]"),
        *((f"http://[{form}]/app.git", f"[{form}]") for form in forms_of("127.0.0.1").values()),
    ],
)
def test_credentials_that_are_handed_to_nobody(url: str, host: str) -> None:
    """Not to another host than their own, and not to an address at which the workspace itself may
    listen."""
    given = (project(url=url, credential=Credential(host=host, username="u", password="p")),)
    assert projects.credential_lines(given) == ""
    assert "MOORAGE_CREDENTIALS_FOR" not in projects.sandbox_environment(given, whole=False)


def test_what_lies_in_another_project_comes_after_it() -> None:
    """A folder is to be empty when its project comes: so outer folders come first, else in the
    devfile's order."""
    paths = ("app", "b/lib/c", "b", "a/x")
    found = projects.project_lines(tuple(project(clone_path=path) for path in paths))
    assert [line.split("\t")[0] for line in found.split("\n")] == ["app", "b", "a/x", "b/lib/c"]


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
    {"clone_path": ".moorage/clone"},
    {"clone_path": "app/.git/hooks"},
    {"clone_path": ".GIT"},
    {"clone_path": "git~1"},
    {"clone_path": "-rf"},
    {"clone_path": "a\nb"},
    {"url": "--upload-pack=evil"},
    {"url": "https://x/ y"},
    {"ref": "-b"},
    {"ref": "a\tb"},
    {"remote": "--x"},
    {"remotes": {"--x": "https://y"}},
    {"remotes": {"up": "-y"}},
    {"credential": Credential(host="x.org", username="u", password="a\nhost2\tu\tb")},
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
