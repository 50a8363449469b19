"""The README's commands, as somebody types them who has just cloned the repository into an empty
folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()

pytestmark = [pytest.mark.docker, pytest.mark.haproxy, pytest.mark.timeout(1200)]


def commands_of(section: str) -> list[str]:
    """The lines of the first block of code in that section, without comments."""
    block = re.search(rf"^## {section}\n.*?^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert block, section
    return [line.partition("#")[0].strip() for line in block[1].splitlines()]


class Clone:
    """What is committed, in an otherwise empty folder, with an installation of its own beside any
    other."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "moorage"
        foreign = ("MOORAGE_", "PYTEST_", "VIRTUAL_ENV", "VENV", "PYTHONPATH", "MAKE")
        self._environ = {
            key: value for key, value in os.environ.items() if not key.startswith(foreign)
        } | {
            "MOORAGE_HOME": str(place / "home"),
            "XDG_STATE_HOME": str(place / "state"),
            "MOORAGE_ENGINE_STATE": str(place / "engine"),
            "MOORAGE_BIN": str(place / "bin"),
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "PORT": str(free_ports(2)),
            "EXAMPLE_PORT": str(free_port()),
        }
        subprocess.run(
            ["git", "clone", "-q", "--no-hardlinks", ROOT, self.folder], check=True, timeout=120
        )

    def run(self, command: str, *, check: bool = True, **variables: str) -> str:
        """By a shell in the clone; what it prints."""
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self._environ | variables,
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, (
            f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    place = Path(tempfile.mkdtemp(prefix="mr-readme-"))
    made = Clone(place)
    yield made
    for item in json.loads(made.run(".venv/bin/moor list -o json", check=False) or '{"items": []}')[
        "items"
    ]:
        made.run(f".venv/bin/moor delete --yes {item['name']}", check=False)
    made.run("make stop", check=False)
    shutil.rmtree(place)


def test_the_quickstart(clone: Clone) -> None:
    """Its commands, read from the README, end with a workspace's URL and a sign-in link."""
    commands = commands_of("Quickstart")
    assert commands == ["make quickstart"]
    said = clone.run(commands[0])
    assert re.search(
        r"Open the workspace:\s+http://60001-workspace-\S+\.moorage\.localhost:\d+/", said
    ), said
    assert "/sign-in/link/" in said
    assert "`moor --help` says what else there is." in said
    assert "python-http-simple" in clone.run("moor list")


def test_its_commands_are_there(clone: Clone) -> None:
    """Every `moor` command of the README is one that the clone's own `moor` explains."""
    found = {
        match[1]
        for line in commands_of("Use it")
        for match in re.finditer(r"\bmoor ((?:users |devfile )?[a-z-]+)", line)
    }
    assert {"create", "list", "exec", "delete", "users add", "devfile validate"} <= found
    clone.run("make venv")
    for name in sorted(found):
        assert "Usage: moor" in clone.run(f".venv/bin/moor {name} --help")


def test_its_tests_run(clone: Clone) -> None:
    """`make test-unit` makes what it needs and runs; here with the tests of one module."""
    said = clone.run("make test-unit WORKERS=2", PYTEST_ADDOPTS="-k test_hosts")
    assert re.search(r"\d+ passed", said), said
