"""What a command may import: the rule of `moorage.cli.groups`, by which a command starts
quickly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from unit.cli.serving import Server, as_json
from unit.cli.workspace import workspace

HEAVY = {
    "aiodocker", "aiohttp", "asyncio", "fastapi", "httpx", "jinja2", "pydantic", "pygments", "rich", "sqlalchemy",
    "structlog", "uvicorn", "websockets", "yaml",
}  # fmt: skip
"""Libraries that take long, and that a command imports where it needs them."""
LIST = {
    f"moorage.{name}"
    for name in (
        "cli", "cli.main", "cli.groups", "cli.context", "cli.options", "cli.output", "cli.words",
        "cli.workspaces", "cli.several", "cli.client", "wording", "kernel", "kernel.errors", "kernel.home",
    )
} | {"moorage"}  # fmt: skip
"""The modules of ours that `moor list` is made of, beside those of the contract."""


def imported(home: Path, *arguments: str) -> set[str]:
    """The modules that are there when a command has run."""
    script = (
        "import atexit, json, sys; from moorage.cli.main import main;"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
def listing(home: Path, server: Server) -> Path:
    server.respond = lambda *_: as_json({"items": [workspace()]})
    return home


def test_list_imports_what_it_needs(listing: Path) -> None:
    """`moor list` imports no other command, no process, and nothing heavy."""
    modules = imported(listing, "list")
    assert not modules & HEAVY
    ours = {name for name in modules if name.partition(".")[0] == "moorage"}
    assert {name for name in ours if not name.startswith("moorage.contract")} == LIST


@pytest.mark.parametrize(
    "arguments", [["list", "-o", "json"], ["agents", "list", "-o", "json"]], ids=" ".join
)
def test_commands_that_ask_and_print_import_nothing_heavy(
    listing: Path, arguments: list[str]
) -> None:
    """Whoever asks the server and prints what it says needs no more than `moor list`."""
    assert not imported(listing, *arguments) & HEAVY


def test_the_help_imports_the_commands_and_nothing_heavy() -> None:
    """It needs each command's first sentence, and none of what a command does."""
    script = "import sys, moorage.cli.main as m\ntry: m.app(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = set(done.stderr.split())
    assert "moorage.cli.devfile" in modules
    assert not modules & HEAVY
    assert not [
        name for name in modules if name.startswith(("moorage.supervisor", "moorage.devfile"))
    ]


def test_completion_imports_nothing_heavy(listing: Path) -> None:
    """A shell asks at every Tab."""
    script = (
        "import atexit, sys; from moorage.cli.main import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    environ = {
        "MOORAGE_HOME": str(listing),
        "_MOOR_COMPLETE": "bash_complete",
        "COMP_WORDS": "moor show ap",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["plain,app"]
    assert not set(done.stderr.split()) & HEAVY
