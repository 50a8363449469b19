"""`moor run`: which command is meant, how it is run, and what is said of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from moorage.cli.run import argv, find, says
from moorage.cli.several_commands import LONGEST_LINE, MarkedLines
from moorage.kernel.errors import InvalidInput, NotFound
from unit.cli.running import moor
from unit.cli.serving import Server, as_json
from unit.cli.workspace import workspace


def command(name: str = "test", **values: Any) -> dict[str, Any]:
    known = {
        "id": name, "label": "", "group": "", "default": False, "event": "", "container": "py", "command_line": "make", "working_dir": "",
        "env": {}, "members": [], "parallel": False, "unable": "", "url": "",
    }  # fmt: skip
    return {**known, **values}


def test_the_command_that_is_meant() -> None:
    """By its whole id; none, or one that cannot be run, says what there is and why."""
    known = [command("test"), command("deploy", unable="It applies k.")]
    assert find("test", known)["id"] == "test"
    with pytest.raises(NotFound) as missing:
        find("tes", known)
    assert "test, deploy" in missing.value.hint
    with pytest.raises(InvalidInput, match="It applies k"):
        find("deploy", known)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"command_line": "echo $A; exit 3", "env": {"A": "a b", "B.C": "x"}}, 3, "a b\n"),
        ({"command_line": 'echo "${PWD##*/}"'}, 0, "it's\n"),
        ({"command_line": "echo here", "working_dir": "/not/there"}, 2, ""),
    ],
)
def test_folder_variables_and_exit_code(
    given: dict[str, Any], code: int, said: str, tmp_path: Path
) -> None:
    """The command runs in its folder, with its variables; where the folder is not there, it does
    not run elsewhere."""
    folder = tmp_path / "it's"
    folder.mkdir()
    words = argv(command(**{"working_dir": str(folder), **given}))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, said)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"command_line": "a \\\n  b"}, "a \\ b"),
        ({"label": "All tests"}, "All tests"),
        ({"members": ["a", "b"], "command_line": "script"}, "a, then b"),
        ({"members": ["a", "b"], "parallel": True}, "a and b"),
        ({"command_line": "", "unable": "It applies k."}, "It applies k."),
        ({"event": "postStart"}, "make (also at postStart)"),
    ],
)
def test_what_is_said_of_a_command(given: dict[str, Any], text: str) -> None:
    """In one line."""
    assert says(command(**given)) == text


def test_lines_of_commands_that_run_beside_each_other() -> None:
    """Each line is whole and says whose it is, however its bytes come; a last one needs no end, and
    one without end is broken."""
    written: list[tuple[int, bytes]] = []
    lines = MarkedLines(
        "web | ", lambda descriptor, data: written.append((descriptor, bytes(data)))
    )
    for descriptor, data in [(1, b"on"), (2, b"err\n"), (1, b"e\ntwo\nthr"), (1, b"ee")]:
        lines.write(descriptor, memoryview(data))
    lines.end()
    assert written == [(2, b"web | err\n"), (1, b"web | one\nweb | two\n"), (1, b"web | three\n")]
    lines.write(1, memoryview(b"x" * (LONGEST_LINE + 1)))
    assert len(written) == 4


def test_all_commands_are_listed(home: Path, server: Server) -> None:
    """Without a name, with what they do and where; as JSON with all that is known."""
    known = [command("test", group="test", default=True), command("psql", container="db")]
    server.respond = lambda _method, path, _body: as_json(
        {"id": 2} if path.endswith("/me") else workspace(commands=known)
    )
    done = moor(home, "run", "app")
    assert (done.returncode, done.stderr) == (0, "")
    assert "test (default)" in done.stdout
    assert "db" in done.stdout
    assert '"command_line": "make"' in moor(home, "run", "app", "-o", "json").stdout
