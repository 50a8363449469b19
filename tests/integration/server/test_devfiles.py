"""What a repository may have instead of a plain devfile: a devcontainer.json, a parent."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.server.git_host import GitHost
from integration.server.harness import Server, serving
from moorage.kernel.errors import Misconfigured
from moorage.server.main import make_resolver
from moorage.server.settings import Settings

DEVCONTAINER = """\
{
  // of a repository that was made for another tool
  "image": "example.com/node:24",
  "forwardPorts": [3000],
  "features": {"ghcr.io/devcontainers/features/go:1": {}},
  "customizations": {"vscode": {"extensions": ["golang.go"]}},
}
"""
CHILD = "schemaVersion: 2.2.0\nparent: {id: base, version: 1.0.0}\nmetadata: {name: child}\n"
BASE = "schemaVersion: 2.2.0\ncomponents: [{name: py, container: {image: 'example.com/py:1'}}]\n"


@pytest.mark.parametrize("path", [".devcontainer/devcontainer.json", ".devcontainer.json"])
async def test_a_devcontainer_is_enough(
    sqlite_server: Server, git_host: GitHost, path: str
) -> None:
    """A repository with only a devcontainer.json makes a workspace; what is not carried is a
    warning of it."""
    url = git_host.make(f"devcontainer{len(path)}", {path: DEVCONTAINER})
    answer = await sqlite_server.post("/workspaces", {"repository": url})
    assert answer.status_code == 201, answer.text
    workspace = answer.json()
    assert workspace["devfile_path"] == path
    assert [port["port"] for port in workspace["ports"]] == [60001, 3000]
    assert [warning["path"] for warning in workspace["warnings"]] == ["features"]


async def test_a_devfile_comes_before_a_devcontainer(
    sqlite_server: Server, git_host: GitHost
) -> None:
    """Where both are, the devfile counts, also the one in the folder `.devfile`."""
    files = {".devcontainer.json": DEVCONTAINER, ".devfile/base.yaml": BASE}
    workspace = (
        await sqlite_server.post("/workspaces", {"repository": git_host.make("both", files)})
    ).json()
    assert workspace["devfile_path"] == ".devfile/base.yaml"


async def test_a_devcontainer_without_an_image_says_what_to_do(
    sqlite_server: Server, git_host: GitHost
) -> None:
    """The refusal is a problem with the devfile, and names the way out."""
    url = git_host.make("compose", {".devcontainer.json": '{"dockerComposeFile": "x"}'})
    answer = await sqlite_server.post("/workspaces", {"repository": url})
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert problem["code"] == "devcontainer-no-image"
    assert ".devfile.yaml" in problem["hint"]


async def test_a_parent_is_refused_by_default(sqlite_server: Server, git_host: GitHost) -> None:
    """Nothing is fetched for a devfile; the error says how an administrator allows it, and at which
    line it stands."""
    url = git_host.make("child", {".devfile.yaml": CHILD})
    answer = await sqlite_server.post("/workspaces", {"repository": url})
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert (problem["code"], problem["line"], problem["path"]) == (
        "imports-not-allowed",
        2,
        "parent",
    )
    assert "devfile_registry" in problem["hint"]


async def test_a_parent_comes_out_of_the_installations_registry(
    folder: Path, tmp_path: Path, git_host: GitHost
) -> None:
    """With a folder of devfiles set, a parent is found by its id and version."""
    stack = tmp_path / "registry/base/1.0.0"
    stack.mkdir(parents=True)
    (stack / "devfile.yaml").write_text(BASE)
    url = git_host.make("child2", {".devfile.yaml": CHILD})
    async with serving(folder, Settings(devfile_registry=str(tmp_path / "registry"))) as server:
        answer = await server.post("/workspaces", {"repository": url})
    assert answer.status_code == 201, answer.text
    assert answer.json()["devfile_path"] == ".devfile.yaml"


def test_a_network_that_is_none_is_told_at_the_start() -> None:
    """The server does not start with a network that nobody can read."""
    with pytest.raises(Misconfigured):
        make_resolver(Settings(devfile_hosts=("a.example",), devfile_networks=("10.0.0.0/99",)))
