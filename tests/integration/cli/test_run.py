"""`moor run` in real containers, and what the editor is told."""

from __future__ import annotations

import json

import pytest

from integration.cli.terminal import Terminal
from integration.supervisor.installation import Installation, until

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("cli")]


@pytest.fixture(scope="module")
def several(installed: Installation, repositories: dict[str, str]) -> str:
    """The title of a workspace whose devfile has commands for two containers."""
    done = installed.moor("create", repositories["several"], "--name", "several", "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return "several"


def test_a_command_runs_where_the_devfile_says(installed: Installation, several: str) -> None:
    """In its container and folder, with its variables; its exit code is that of `moor run`."""
    done = installed.moor("run", several, "hello")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hello a b from /tmp\n", "")
    done = installed.moor("run", several, "aside")
    assert (done.returncode, done.stdout) == (0, "in /projects/several\n")


def test_commands_are_listed(installed: Installation, several: str) -> None:
    """Without a name; one that nothing runs says why, and is refused."""
    listed = installed.moor("run", several).stdout
    assert [line.split()[0] for line in listed.splitlines()] == [
        *("COMMAND", "hello", "ask", "aside", "both", "in-order", "deploy"),
    ]
    refused = installed.moor("run", several, "deploy")
    assert refused.returncode != 0
    assert "kubernetes component 'cluster'" in refused.stderr
    assert "deploy" in installed.moor("run", several, "nothing").stderr


def test_a_command_has_input_and_a_terminal(installed: Installation, several: str) -> None:
    """As `moor exec` gives them."""
    assert installed.moor("run", several, "ask", input="typed\n").stdout == "typed; \n"
    with Terminal(installed, "run", several, "ask") as terminal:
        terminal.type("typed\r")
        terminal.until("typed; terminal")


def test_composites_over_containers(installed: Installation, several: str) -> None:
    """In order, the first that fails ends them; beside each other, each line says whose it is, and
    a failure is the whole's."""
    done = installed.moor("run", several, "in-order")
    assert (done.returncode, done.stdout) == (3, "in /projects/several\nhello a b from /tmp\n")
    done = installed.moor("run", several, "both")
    assert done.returncode == 3
    assert sorted(done.stdout.splitlines()) == [
        "aside | in /projects/several",
        "hello | hello a b from /tmp",
    ]
    assert "hello has ended with exit code 3" in done.stderr


def test_the_editor_is_told_of_commands(installed: Installation, several: str) -> None:
    """By a file in the workspace, which its extension reads."""
    read = ("exec", several, "--", "cat", "/projects/.moorage/commands.json")
    text = until("the file is there", lambda: installed.moor(*read).stdout, every=0.5)
    told = json.loads(text)
    assert told["main_container"] == "py"
    assert [each["id"] for each in told["commands"]][:3] == ["hello", "ask", "aside"]
