"""Yesterday's state folder is put back: what was made since is stopped and kept, and comes back by
a command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.installation import (
    Installation,
    docker,
    docker_objects,
    end,
    eventually,
    expect_nothing_left,
    http_browser,
    new_home,
)
from ports import free_ports


@pytest.fixture
def restorable(repository: str) -> Iterator[Installation]:
    """An installation of its own: what is put back here is nobody else's."""
    here = Installation(new_home(), free_ports(2))
    try:
        here.up("--repository-network", urlsplit(repository).netloc)
        yield here
    finally:
        end(here)


def runs(workspace: str) -> str:
    return docker(
        "ps", "--filter", f"label=moorage.dev/workspace={workspace}", "--format", "{{.Names}}"
    ).strip()


def read(installation: Installation, workspace: str) -> str:
    return installation.run("exec", workspace, "--", "cat", "/projects/precious").stdout.strip()


def put_back(installation: Installation, saved: Path) -> None:
    installation.run("down")
    shutil.rmtree(installation.home)
    shutil.copytree(saved, installation.home, symlinks=True)


def test_yesterdays_state_folder(restorable: Installation, repository: str, tmp_path: Path):
    """Saved, workspaces made and changed, put back, started: containers of what was made since are
    stopped, their volumes kept, and they are shown by the API, `moor status`, `moor agents show`
    and the page. Adopted, one has its files again; discarded, the other is gone. A workspace that
    is older than the backup goes on as it is, and does what is asked of it next."""
    moor, before = restorable.run, docker_objects(restorable.id)
    old = restorable.json("create", repository, "--name", "old")["name"]
    moor("exec", old, "--", "sh", "-c", "echo old >/projects/precious")
    moor("down")
    saved = tmp_path / "saved"
    shutil.copytree(restorable.home, saved, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    restorable.up("--repository-network", urlsplit(repository).netloc)
    moor("stop", old)
    moor("start", old)
    made = {
        title: restorable.json("create", repository, "--name", title)["name"]
        for title in ("one", "two")
    }
    for title in made:
        moor("exec", title, "--", "sh", "-c", f"echo {title} >/projects/precious")
    put_back(restorable, saved)
    restorable.up("--repository-network", urlsplit(repository).netloc)

    found: dict[str, Any] = eventually(
        "both are found and stopped",
        lambda: (
            {
                item["title"]: item
                for item in restorable.json("agents", "found")["items"]
                if not item["running"]
            }.keys()
            == made.keys()
            and {item["title"]: item for item in restorable.json("agents", "found")["items"]}
        ),
    )
    volumes = docker_objects(restorable.id)["volumes"]
    for title, name in made.items():
        assert found[title]["name"] == name
        assert found[title]["owner_now"] == "admin"
        assert not runs(name)
        assert name in volumes
    status = restorable.json("status")
    assert {item["name"] for item in status["agents"][0]["found"]} == set(made.values())
    assert status["agents"][0]["set_back_at"]
    assert "server-set-back" in moor("status").stdout
    assert "moor agents found local" in moor("agents", "show", "local").stdout
    with restorable.api() as api:
        items = api.get("/agents/local/found").json()["items"]
    assert {item["name"] for item in items} == set(made.values())
    with http_browser() as browser:
        link = moor("sign-in-link").stdout.split()[-1]
        browser.post(link, headers={"Origin": restorable.url})
        page = browser.get(f"{restorable.url}/agents/local").text
    assert all(f"found-{name}" in page for name in made.values())

    eventually("the old one goes on", lambda: restorable.json("show", old)["state"] == "Running")
    assert read(restorable, old) == "old"
    moor("stop", old)
    assert restorable.json("show", old)["state"] == "Stopped"

    moor("agents", "adopt", "local", "one")
    moor("start", "one")
    assert read(restorable, "one") == "one"
    refused = moor("agents", "discard", "local", "two", check=False)
    assert "--yes" in refused.stderr
    moor("agents", "discard", "local", "two", "--yes")
    eventually(
        "the other is gone",
        lambda: (
            not any(
                made["two"] in name
                for names in docker_objects(restorable.id).values()
                for name in names
            )
        ),
    )
    assert restorable.json("agents", "found")["items"] == []
    for name in (old, made["one"]):
        moor("delete", "--yes", name)
    expect_nothing_left(restorable, before)
