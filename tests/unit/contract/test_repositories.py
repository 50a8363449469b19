"""Which URLs name one repository, and which folders a project may have."""

from __future__ import annotations

import pytest

from moorage.contract.repositories import place_of
from moorage.contract.spec import clone_path_fault

ASKED = "https://git.example.com/team/app.git"


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/team/app.git",
        "https://git.example.com/team/app",
        "https://git.example.com/team/app/",
        "https://git.example.com/team/app.git//",
        "https://GIT.Example.COM/team/app.git",
        "HTTPS://git.example.com/team/app.git",
        "https://git.example.com:443/team/app.git",
        "https://git.example.com/t%65am/app.git",
    ],
)
def test_the_same_repository(url: str) -> None:
    """Neither capitals of the host, the protocol's own port, slashes at the end, `.git` nor
    needless escapes make another one."""
    assert place_of(url) == place_of(ASKED)


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example.com/team/app.git",
        "ssh://git.example.com/team/app.git",
        "git.example.com/team/app.git",
        "https://git.example.com:8443/team/app.git",
        "https://git.example.com:80/team/app.git",
        "https://git.example.com/team/App.git",
        "https://git.example.com/team/app.git/other",
        "https://git.example.com/team/app/../other",
        "https://git.example.com/other/../team/app.git",
        "https://git.example.com/team/./app.git",
        "https://git.example.com/team//app.git",
        "https://git.example.com//team/app.git",
        "https://git.example.com/team%2Fapp.git",
        "https://git.example.com/team%5Capp.git",
        "https://git.example.com/team\\app.git",
        "https://git.example.com/team/app.git%00",
        "https://git.example.com/team/app.git%0a",
        "https://git.example.com/team/app.git?x",
        "https://git.example.com/team/app.git#x",
        "https://git.example.com/team/%ff",
        "https://git.example.com/t%2565am/app.git",
        "https://git.example.com/team/app.git.git",
        "https://git.example.com/team/.git",
        "https://git.example.com./team/app.git",
        "https://git.example.com.evil.org/team/app.git",
        "https://evil.git.example.com/team/app.git",
        "https://git.example.com@evil.org/team/app.git",
        "https://evil.org@git.example.com/team/app.git",
        "https://me:secret@git.example.com/team/app.git",
        "https://git.example.com:443@evil.org/team/app.git",
        "https://git.example.com\\@evil.org/team/app.git",
        "https://git.example.com%2eevil.org/team/app.git",
        "https://g\u0456t.example.com/team/app.git",
        "https://git\u3002example.com/team/app.git",
        "https://git.example.com/te\u0430m/app.git",
        "https://xn--gt-8ja.example.com/team/app.git",
        "https://git.example.com:port/team/app.git",
        "https://git.example.com",
        "https://git.example.com/",
        "https:///team/app.git",
        "https://[git.example.com]/team/app.git",
        "",
    ],
)
def test_another_repository(url: str) -> None:
    """Whatever differs, or could be read differently by another program, is not the same."""
    assert place_of(url) != place_of(ASKED)


@pytest.mark.parametrize(
    "path",
    ["app", "services/api", "a.git", "git", "git~2", ".github", ".gitignore", "a/.hidden", "x y"],
)
def test_folders_for_projects(path: str) -> None:
    """Any folder below the projects' folder, also one whose name only begins like Git's."""
    assert clone_path_fault(path) == ""


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "../x", "a/../../x", "/abs", "-x", "a\nb", "a\tb", ".home", ".home/x", ".moorage/x", "a/../.home/x",
        ".git", ".git/hooks", "app/.git", "app/.git/hooks", ".GIT", "a/.Git/b", ".git.", ".git ", ".git. .", "app/.git. /x",
        "git~1", "a/GIT~1/b", "git~1.", ".git::$INDEX_ALLOCATION", ".git:x", "a\\.git", "a\\.git\\b", ".g\u200cit",
        "\ufeff.git", "./.git", "a//.git",
    ],
)  # fmt: skip
def test_no_folders_for_projects(path: str) -> None:
    """Nothing elsewhere, nothing of Moorage's, and no part that any file system takes for
    `.git`."""
    assert clone_path_fault(path) != ""
