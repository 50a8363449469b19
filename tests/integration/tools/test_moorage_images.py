"""The images of server, agent and gateway: small, for any user with group 0, and deaf to no
signal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import images
import pytest

from e2e.installation import eventually
from integration.tools.containers import SCRIPTS, docker, run, unique
from moorage import __version__
from moorage.supervisor.processes import PROCESSES

pytestmark = pytest.mark.docker
PARTS = tuple(dict.fromkeys(process.pod or process.name for process in PROCESSES))
LARGEST = 350_000_000
"""Bytes; 120 MB of it are Debian's."""
CONFINED = ("--read-only", "--tmpfs", "/tmp", "--user", "12345:0", "--cap-drop", "ALL")


@pytest.fixture(scope="module")
def own_images() -> dict[str, str]:
    """Name of each part's image."""
    return dict(zip(PARTS, run(SCRIPTS / "moorage-images").stdout.split(), strict=True))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PARTS)
def test_what_is_in_an_image(own_images: dict[str, str], part: str) -> None:
    """It says what it is and runs without root; it holds what its process needs, and nothing to
    build or install with."""
    image = own_images[part]
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))
    assert config["User"] == "5002:0"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.title"] == f"Moorage {part}"
    assert config["Labels"]["org.opencontainers.image.version"].startswith(f"{__version__}+")
    assert "dev.moorage.build-stage" not in config["Labels"]
    programs = "for p in git haproxy pip gcc; do command -v $p; done; ls /var/lib/apt/lists; moor --version"
    said = docker("run", "--rm", *CONFINED, "--entrypoint", "sh", image, "-c", programs).split()
    own = {"server": ["/usr/bin/git"], "agent": [], "gateway": ["/usr/sbin/haproxy"]}[part]
    assert said == [*own, "moor", __version__]
    assert images.Engine().size(image) < LARGEST


def test_nothing_is_built_twice(own_images: dict[str, str]) -> None:
    """The tags are known without building; a second call ends within seconds."""
    printed = run(SCRIPTS / "moorage-images", "--print-tags").stdout.split()
    assert printed == list(own_images.values())
    began = time.monotonic()
    run(SCRIPTS / "moorage-images")
    assert time.monotonic() - began < 20  # a build takes longer


def test_the_tag_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed line of source or another dependency makes another image; byte code does not."""
    for name in ("src/moorage/__init__.py", "requirements.lock", "recipe/Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    monkeypatch.setattr(images, "ROOT", tmp_path)
    recipe = images.Recipe(
        "r", tmp_path / "recipe", "r", "R_IMAGE", sources=("src", "requirements.lock")
    )
    versions = [recipe.version]
    for name in (
        "src/moorage/__init__.py",
        "src/moorage/new.py",
        "requirements.lock",
        "recipe/Dockerfile",
    ):
        (tmp_path / name).write_text("y\n")
        versions.append(recipe.version)
    assert len(set(versions)) == len(versions)
    (tmp_path / "src/moorage/new.pyc").write_text("z")
    assert recipe.version == versions[-1]


@pytest.fixture
def server(own_images: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A server's container as a pod has it: a user id out of nowhere, a read-only root, secrets
    that it may only read."""
    for secret in ("admin-token", "agent-token", "gateway-token"):
        (tmp_path / secret).write_text(f"{secret}-0123456789\n")
    tmp_path.chmod(0o750)  # as Kubernetes mounts a Secret: for root and its group
    name = unique("server")
    state = (
        "--tmpfs",
        "/var/lib/moorage:mode=0770,uid=0,gid=0",
        "-v",
        f"{tmp_path}:/var/lib/moorage/secrets:ro",
    )
    settings = (
        "-e",
        "MOORAGE_SERVER_LISTEN=0.0.0.0:8000",
        "-e",
        "MOORAGE_SERVER_PUBLIC_URL=https://ws.test",
    )
    docker("run", "-d", "--name", name, *CONFINED, *state, *settings, own_images["server"])
    yield name
    docker("rm", "-f", name)


def test_a_server_in_a_container(server: str) -> None:
    """`moor` works beside it at once, as the first administrator; SIGTERM ends it in order, within
    seconds."""
    sign_in = ("exec", server, "moor", "sign-in-link", "admin", "-o", "json")
    probe = (
        "exec",
        server,
        "sh",
        "-c",
        "test -e /var/lib/moorage/client.json && echo there || true",
    )
    eventually("the server is up", lambda: docker(*probe))
    link = json.loads(docker(*sign_in))["url"]
    assert link.startswith("https://ws.test/sign-in/link/")
    began = time.monotonic()
    docker("stop", "--time", "20", server)
    assert time.monotonic() - began < 10
    assert docker("inspect", "--format", "{{.State.ExitCode}}", server).strip() == "0"
