"""The devfile's commands, as people run them."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from moorage.contract import NamedCommand
from moorage.devfile import flatten, parse
from moorage.translation import to_workspace_spec

HEAD = """\
schemaVersion: 2.2.0
components:
- {name: main, attributes: {gl/inject-editor: true}, container: {image: i}}
- {name: db, container: {image: d}}
- {name: k, kubernetes: {inlined: x}}
- {name: once, container: {image: o}}
commands:
"""


def _commands(text: str, events: str = "") -> dict[str, NamedCommand]:
    flat = flatten(parse(HEAD + text + events)).devfile
    return {command.id: command for command in to_workspace_spec(flat).spec.commands}


def test_a_command_that_no_event_runs_is_there_for_people() -> None:
    """With its line, folder, variables, label, group and container; in the devfile's order."""
    found = _commands(
        "- {id: test, exec: {component: main, commandLine: make test, workingDir: web, label: All tests,"
        " env: [{name: CI, value: '1'}], group: {kind: test, isDefault: true}}}\n"
        "- {id: psql, exec: {component: db, commandLine: psql}}\n"
    )
    assert list(found) == ["test", "psql"]
    test = found["test"]
    assert (test.label, test.group, test.is_default, test.event) == ("All tests", "test", True, "")
    assert test.run is not None
    assert (test.run.container, test.run.command_line, test.run.env) == (
        "main",
        "make test",
        {"CI": "1"},
    )
    assert test.run.working_dir == "/projects/web"
    assert found["psql"].run is not None
    assert found["psql"].run.container == "db"


def test_an_events_command_says_so() -> None:
    """People run it again by hand, and know that it has run."""
    found = _commands(
        "- {id: a, exec: {component: main, commandLine: x}}\n", "events: {postStart: [a]}\n"
    )
    assert found["a"].event == "postStart"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("exec: {component: nobody, commandLine: x}", "No container is named 'nobody'."),
        ("exec: {component: k, commandLine: x}", "No container is named 'k'."),
        (f"exec: {{component: main, commandLine: {'x' * 70_000}}}", "commandLine has more than"),
        (f"exec: {{component: main, commandLine: x, workingDir: {'x' * 5000}}}", "workingDir has more than"),
        ("apply: {component: k}", "It applies the kubernetes component 'k', which a workspace does not do."),
        ("apply: {component: once}", "which only preStart does"),
        ("composite: {commands: [gone]}", "'gone'"),
        ("composite: {commands: []}", "no commands"),
        ("composite: {commands: [deploy]}", "kubernetes component 'k'"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_says_why(command: str, says: str) -> None:
    """And refuses no devfile: others may have a use for it."""
    found = _commands(f"- {{id: c, {command}}}\n- {{id: deploy, apply: {{component: k}}}}\n")
    assert says in found["c"].unable
    assert found["c"].run is None


def test_files_of_vs_code_are_no_commands() -> None:
    """`vscodeTask` and `vscodeLaunch` name what the editor reads by itself."""
    text = HEAD.replace("2.2.0", "2.0.0") + "- {id: t, vscodeTask: {inlined: x}}\n"
    assert to_workspace_spec(flatten(parse(text)).devfile).spec.commands == ()


def test_a_composite_over_several_containers_keeps_its_commands() -> None:
    """Whoever runs it runs each where it belongs."""
    found = _commands(
        "- {id: a, exec: {component: main, commandLine: x}}\n- {id: b, exec: {component: db, commandLine: y}}\n"
        "- {id: both, composite: {commands: [a, b], parallel: true}}\n"
        "- {id: all, composite: {commands: [both, a]}}\n"
    )
    both = found["both"]
    assert (both.run, both.members, both.parallel, both.unable) == (None, ("a", "b"), True, "")
    assert (found["all"].run, found["all"].members) == (None, ("both", "a"))


def _ran(command: NamedCommand, folder: Path) -> tuple[int, list[str], str]:
    assert command.run is not None
    done = subprocess.run(
        ["sh", "-c", command.run.command_line],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


def test_a_composite_runs_its_commands_in_order_until_one_fails(tmp_path: Path) -> None:
    """Each in its folder with its variables; what a workspace does not do is said, and left
    out."""
    (tmp_path / "it's").mkdir()
    found = _commands(
        f"- {{id: a, exec: {{component: main, commandLine: 'echo \"$A\" \"${{PWD##*/}}\"', workingDir: \"{tmp_path}/it's\","
        " env: [{name: A, value: \"o'ne\"}, {name: B.C, value: x}]}}\n"
        f"- {{id: deploy, apply: {{component: k}}}}\n"
        f"- {{id: b, exec: {{component: main, commandLine: 'echo two; exit 3', workingDir: {tmp_path}}}}}\n"
        f"- {{id: c, exec: {{component: main, commandLine: echo three, workingDir: {tmp_path}}}}}\n"
        "- {id: ab, composite: {commands: [a, deploy, b]}}\n"
        "- {id: abc, composite: {commands: [ab, c]}}\n"
        "- {id: away, exec: {component: main, commandLine: echo here, workingDir: /not/there}}\n"
        "- {id: lost, composite: {commands: [away, c]}}\n"
    )  # fmt: skip
    code, words, error = _ran(found["abc"], tmp_path)
    assert (code, words) == (3, ["o'ne", "it's", "two"])
    assert "deploy is not run: It applies the kubernetes component" in error
    code, words, error = _ran(found["lost"], tmp_path)
    assert code != 0
    assert words == []
    assert "/not/there" in error


def test_a_parallel_composite_ends_with_its_last_and_with_a_failure(tmp_path: Path) -> None:
    """They run beside each other: each of these two waits for the other."""
    meet = "touch {0}; until [ -e {1} ]; do sleep 0.02; done; echo {0}"
    found = _commands(
        f"- {{id: a, exec: {{component: main, commandLine: '{meet.format('a', 'b')}; exit 4', workingDir: {tmp_path}}}}}\n"
        f"- {{id: b, exec: {{component: main, commandLine: '{meet.format('b', 'a')}', workingDir: {tmp_path}}}}}\n"
        "- {id: both, composite: {commands: [a, b], parallel: true}}\n"
    )
    code, words, _ = _ran(found["both"], tmp_path)
    assert (code, sorted(words)) == (4, ["a", "b"])


def test_ctrl_c_ends_what_a_parallel_composite_runs(tmp_path: Path) -> None:
    """Nothing is left running behind: a shell keeps what it runs behind from that signal."""
    found = _commands(
        f"- {{id: a, exec: {{component: main, commandLine: 'echo $$; exec sleep 300', workingDir: {tmp_path}}}}}\n"
        "- {id: both, composite: {commands: [a, a], parallel: true}}\n"
    )
    run = found["both"].run
    assert run is not None
    started = subprocess.Popen(
        ["sh", "-c", run.command_line],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    for _ in range(2):
        assert started.stdout.readline()
    os.killpg(started.pid, signal.SIGINT)
    assert started.wait(20) == 130
    assert started.stdout.read() == ""  # its writers are gone
    started.stdout.close()


def test_composites_of_composites_do_not_grow_without_end() -> None:
    """Each of fifty doubles the one before: what comes to too much text is not run."""
    lines = ["- {id: c0, exec: {component: main, commandLine: echo}}"]
    lines += [
        f"- {{id: c{n}, composite: {{commands: [c{n - 1}, c{n - 1}]}}}}" for n in range(1, 50)
    ]
    found = _commands("\n".join(lines) + "\n")
    assert "more text" in found["c49"].unable
    assert found["c3"].run is not None
    total = sum(len(each.run.command_line) for each in found.values() if each.run)
    assert total < 200_000
