"""The two images, and the script that makes sure of them."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import images
import pytest

from integration.runtimes.registry import EmptyRegistry
from integration.tools.containers import SCRIPTS, Workspace, docker, run, unique

pytestmark = pytest.mark.docker


def test_base_image_works_under_any_user_id_with_group_0(base_image: str) -> None:
    """An unknown user id can write to the home directory, name itself in /etc/passwd, and use pip
    without root."""
    line = (
        "id -u; id -g; touch ~/mine && echo writable; python --version; python3 -m venv /tmp/v && echo venv;"
        "pip install --quiet --no-index --find-links /nowhere nothing 2>&1 | grep -c externally-managed;"
        "echo named:x:1234:0::/home/workspace:/bin/bash >> /etc/passwd && id -un; locale 2>/dev/null | head -1"
    )
    answer = docker(
        "run", "--rm", "--user", "1234:0", "--cap-drop", "ALL", base_image, "bash", "-c", line
    ).splitlines()
    assert answer[:3] == ["1234", "0", "writable"]
    assert answer[3].startswith("Python 3.")
    assert answer[4:7] == ["venv", "0", "named"]
    assert answer[7] == "LANG=C.UTF-8"


def test_tools_image_says_its_version_and_has_a_user_and_a_folder_for_projects(
    tools_image: str,
) -> None:
    """The label names the version; a volume that is first mounted at /projects takes over its owner
    and its set-group-id bit."""
    labels = json.loads(
        docker("image", "inspect", "--format", "{{json .Config.Labels}}", tools_image)
    )
    assert tools_image == f"moorage/tools:{labels['dev.moorage.tools.version']}"
    volume = unique("projects")
    try:
        line = (
            "id -un; stat -c '%u:%g %a' /projects; git --version; getent passwd 5001 | cut -d: -f6"
        )
        answer = docker(
            "run", "--rm", "-v", f"{volume}:/projects", tools_image, "sh", "-c", line
        ).splitlines()
    finally:
        docker("volume", "rm", "-f", volume)
    assert answer[0] == "moorage"
    assert answer[1] == "5001:0 2775"
    assert answer[2].startswith("git version")
    assert answer[3] == "/projects/.home"


def test_tree_can_be_read_by_everyone_and_written_by_none(
    start_workspace: Callable[..., Workspace], base_image: str
) -> None:
    """The tree is the same for all workspaces: none may change it."""
    workspace = start_workspace(base_image, "sleep", "60")
    assert workspace.shell("touch /opt/moorage/x 2>&1 || true").endswith("Read-only file system")
    assert (
        workspace.shell("find /opt/moorage ! -type l ! -perm -o+r -o ! -type l -perm -o+w | head")
        == ""
    )


def test_sandbox_ends_at_once_when_it_is_asked_to(tools_image: str) -> None:
    """Its first process hands signals on and reaps: no ten seconds of waiting at each stop."""
    name = unique("sandbox")
    try:
        docker("run", "-d", "--name", name, "--user", "5001:0", tools_image)
        docker("exec", "-d", name, "sh", "-c", "true & sleep 0.1")
        began = time.monotonic()
        docker("stop", "--time", "9", name)
        assert time.monotonic() - began < 5
    finally:
        docker("rm", "-f", name)


@pytest.mark.parametrize("name", ["base", "tools"])
def test_nothing_is_done_when_the_image_is_there(
    name: str, base_image: str, tools_image: str
) -> None:
    """The tag is known without building anything, and a second call has nothing to say."""
    expected = {"base": base_image, "tools": tools_image}[name]
    assert run(SCRIPTS / f"{name}-image", "--print-tag").stdout.strip() == expected
    done = run(SCRIPTS / f"{name}-image")
    assert (done.stdout.strip(), done.stderr) == (expected, "")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[images.Recipe]:
    """A small image of the tests' own, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "ARG DEBIAN\nFROM ${DEBIAN}\nCOPY . /recipe/\nENV ANSWER=42\n"
    )
    own = images.Recipe(
        "small", folder, f"mtools-small-{secrets.token_hex(4)}", "MTOOLS_SMALL_IMAGE"
    )
    yield own
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}", own.repository).split()
    if names:
        docker("rmi", "-f", *names)


@pytest.fixture
def debian(base_image: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An image to start from that is there for certain."""
    monkeypatch.setattr(images, "DEBIAN_LOCAL", base_image)
    return base_image


def test_image_is_built_once_and_then_loaded_from_the_cache(
    recipe: images.Recipe, debian: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine that has lost the image gets it from the cache's tar; a tar that is of no use is
    replaced."""
    engine = images.Engine()
    tag = images.ensure(recipe, engine)
    assert engine.has(tag)
    assert engine.has(f"{recipe.repository}:latest")
    assert "building" in capsys.readouterr().err

    docker("rmi", "-f", tag, f"{recipe.repository}:latest")
    images.ensure(recipe, engine)
    assert "loading" in capsys.readouterr().err
    assert docker("run", "--rm", tag, "sh", "-c", "echo $ANSWER") == "42"

    docker("rmi", "-f", tag, f"{recipe.repository}:latest")
    recipe.cached.write_bytes(recipe.cached.read_bytes()[:5000])
    images.ensure(recipe, engine)
    assert "of no use" in capsys.readouterr().err
    assert engine.has(tag)


def test_tag_changes_with_the_recipe_and_with_nothing_else(recipe: images.Recipe) -> None:
    """A file's content, mode and name count; when it was written does not."""
    first = recipe.tag
    os.utime(recipe.folder / "Dockerfile", (1, 1))
    assert recipe.tag == first
    (recipe.folder / "Dockerfile").chmod(0o755)
    executable = recipe.tag
    (recipe.folder / "added").write_text("x")
    assert len({first, executable, recipe.tag}) == 3


def test_failing_build_says_what_failed(recipe: images.Recipe, debian: str) -> None:
    """The last lines of the build's own output are in the message, and no half-made image is left
    under the name."""
    (recipe.folder / "Dockerfile").write_text(
        "ARG DEBIAN\nFROM ${DEBIAN}\nUSER 0\nRUN echo the-reason >&2 && exit 3\n"
    )
    with pytest.raises(images.ImageError, match="the-reason"):
        images.ensure(recipe, images.Engine())
    assert not images.Engine().has(recipe.tag)
    assert not recipe.cached.exists()


def test_image_of_ones_own_that_cannot_be_pulled_is_an_error_within_seconds(
    recipe: images.Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting names an image that no registry has: the message names both, and nothing is built
    in its place."""
    monkeypatch.setenv(recipe.setting, "127.0.0.1:9/nobody/nothing:1")
    began = time.monotonic()
    with pytest.raises(
        images.ImageError, match=r"127\.0\.0\.1:9/nobody/nothing:1, which MTOOLS_SMALL_IMAGE names"
    ):
        images.ensure(recipe, images.Engine())
    assert time.monotonic() - began < images.PROBE_SECONDS + 2


def test_build_knows_the_machines_authorities_and_keeps_them_out_of_the_tag(
    recipe: images.Recipe, debian: str
) -> None:
    """The CA bundle lies beside the recipe while it is built; the recipe's own folder is
    untouched."""
    engine = images.Engine()
    tag = images.ensure(recipe, engine)
    bundle = images.machine_ca_bundle()
    assert bundle is not None
    assert (
        int(docker("run", "--rm", tag, "stat", "-c", "%s", f"/recipe/{images.CA_BUNDLE}"))
        == bundle.stat().st_size
    )
    assert [path.name for path in recipe.folder.iterdir()] == ["Dockerfile"]


def test_a_tag_of_the_same_name_is_not_the_debian(
    recipe: images.Recipe, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that somebody tagged like the one to start from is not taken: only the digest
    counts, and a registry that does not have it is named."""
    registry = EmptyRegistry()
    tag = f"{registry.address}/debian:12-slim"
    digest = "sha256:" + "0" * 64
    (recipe.folder / "Dockerfile").write_text(
        f"ARG DEBIAN=debian:12-slim@{digest}\nFROM ${{DEBIAN}}\n"
    )
    monkeypatch.setattr(images, "HUB", registry.address)
    monkeypatch.setattr(images, "DEBIAN_LOCAL", unique("none"))
    monkeypatch.setattr(
        images.shutil, "which", lambda name: None if name == "mmdebstrap" else f"/usr/bin/{name}"
    )
    try:
        docker("tag", base_image, tag)
        with pytest.raises(images.ImageError, match=f"12-slim@{digest} cannot be pulled"):
            images.ensure(recipe, images.Engine())
    finally:
        docker("rmi", tag)
        registry.close()
