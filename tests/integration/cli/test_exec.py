"""`moor exec` and `moor logs` in a real container."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from integration.cli.terminal import Terminal
from integration.supervisor.installation import MOOR, Installation, until

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("cli")]


def pipeline(installed: Installation, command: str) -> subprocess.CompletedProcess[str]:
    """A shell's pipeline around `$MOOR`."""
    environ = {**installed.environ, "MOOR": str(MOOR)}
    return subprocess.run(
        ["bash", "-c", command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_output_and_exit_code(installed: Installation, workspace: str) -> None:
    """Standard output and standard error stay apart; the exit code is the command's."""
    done = installed.moor("exec", workspace, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_the_environment(installed: Installation, workspace: str) -> None:
    """The command runs in the project, with the devfile's variables and those that were given at
    creation."""
    done = installed.moor(
        "exec", workspace, "--", "sh", "-c", 'pwd; echo "$GIVEN/$FROM_DEVFILE"; id -u'
    )
    assert done.stdout.split("\n")[:3] == ["/projects/app", "a b/1", "5001"]


def test_programs_of_the_home_are_found(installed: Installation, workspace: str) -> None:
    """What `pip install --user` puts into `~/.local/bin` runs by its name, as in the editor's
    terminal."""
    script = "mkdir -p ~/.local/bin && printf '#!/bin/sh\necho mine\n' > ~/.local/bin/mine && chmod +x ~/.local/bin/mine"
    assert installed.moor("exec", workspace, "--", "sh", "-c", script).returncode == 0
    assert installed.moor("exec", workspace, "--", "mine").stdout == "mine\n"


def test_the_kind_of_terminal(installed: Installation, workspace: str) -> None:
    """A command in a terminal knows what kind it is; one without a terminal is told nothing of
    it."""
    with Terminal(installed, "exec", workspace, "--", "sh", "-c", "echo kind: $TERM.") as terminal:
        terminal.until("kind: xterm-256color.")
    done = installed.moor("exec", workspace, "--", "sh", "-c", "echo kind: $TERM.")
    assert done.stdout == "kind: .\n"


def test_a_program_that_is_not_there(installed: Installation, workspace: str) -> None:
    """Exit code 127, as in a shell."""
    assert installed.moor("exec", workspace, "--", "no-such-program").returncode == 127


def test_input_of_any_size(installed: Installation, workspace: str, tmp_path: Path) -> None:
    """A file goes in whole, also when the command takes its time before it reads."""
    file = tmp_path / "file"
    file.write_bytes(os.urandom(20_000_000))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    done = pipeline(installed, f"$MOOR exec {workspace} -- sh -c 'sleep 10; sha256sum' < {file}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == digest
    done = pipeline(installed, f"cat {file} | $MOOR exec {workspace} -- sha256sum")
    assert done.stdout.split()[0] == digest


def test_output_of_any_size_at_the_readers_pace(installed: Installation, workspace: str) -> None:
    """A reader that pauses for longer than a ping may take loses nothing, and the connection
    stays."""
    command = f"$MOOR exec {workspace} -- head -c 20000000 /dev/zero | (head -c 10; sleep 10; cat) | wc -c"
    done = pipeline(installed, command)
    assert (done.stdout.strip(), done.stderr) == ("20000000", "")


def test_a_reader_that_goes_away(installed: Installation, workspace: str) -> None:
    """Ends quietly, and the command with it."""
    done = pipeline(
        installed, f"$MOOR exec {workspace} -- sh -c 'yes 4711' | head -1; echo ${{PIPESTATUS[0]}}"
    )
    assert (done.stdout, done.stderr) == ("4711\n141\n", "")
    processes = ["exec", workspace, "--", "ps", "-o", "args"]
    until("the command has ended", lambda: "yes 4711" not in installed.moor(*processes).stdout)


def test_no_input(installed: Installation, workspace: str) -> None:
    """A command that does not read is not held up by input that never ends."""
    assert pipeline(installed, f"$MOOR exec {workspace} -- true < /dev/zero").returncode == 0
    assert pipeline(installed, f"$MOOR exec {workspace} -- cat < /dev/null").returncode == 0
    assert pipeline(installed, f"$MOOR exec {workspace} -- cat <&-").returncode == 0


def test_a_terminal(installed: Installation, workspace: str) -> None:
    """Size, resizing and Ctrl-C reach the command; the terminal here is as before afterwards."""
    with Terminal(installed, "exec", workspace, "--", "sh", columns=111, rows=33) as terminal:
        terminal.type("stty size; echo rea''dy\r")
        assert "33 111" in terminal.until("ready")
        terminal.resize(122, 44)
        terminal.type(
            "while [ \"$(stty size)\" != '44 122' ]; do sleep 0.1; done; echo resi''zed\r"
        )
        terminal.until("resized")
        # A shell of its own: an interactive one may lose a signal between an `echo` and the start
        # of the next program.
        terminal.type("sh -c \"echo be''gins; exec sleep 1000\"\r")
        terminal.until("begins")
        terminal.type("\x03")
        terminal.type("echo inter''rupted\r")
        terminal.until("interrupted")
        terminal.type("exit 7\r")
        assert terminal.exit_code() == 7


def test_a_terminal_is_not_forced(installed: Installation, workspace: str) -> None:
    """`-T` has none where there is one; `-t` has one where there is none."""
    with Terminal(
        installed, "exec", workspace, "-T", "--", "sh", "-c", "test -t 0 || echo none"
    ) as terminal:
        terminal.until("none")
        assert terminal.exit_code() == 0
    done = installed.moor(
        "exec", workspace, "-t", "--", "sh", "-c", "test -t 0 && echo one", stdin=subprocess.DEVNULL
    )
    assert done.stdout == "one\n"


def test_interrupted(installed: Installation, workspace: str) -> None:
    """Without a terminal, Ctrl-C ends `moor` with 130, and the command."""
    command = [MOOR, "exec", workspace, "--", "sh", "-c", "echo begins; exec sleep 4712"]
    with subprocess.Popen(
        command, env=installed.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    processes = ["exec", workspace, "--", "ps", "-o", "args"]
    until("the command has ended", lambda: "sleep 4712" not in installed.moor(*processes).stdout)


def test_refusals(installed: Installation, workspace: str) -> None:
    """A workspace or a container that is not there, and a token that opens nothing."""
    assert installed.moor("exec", "nonesuch", "--", "true").returncode == 5
    unknown = installed.moor("exec", workspace, "-c", "nonesuch", "--", "true")
    assert unknown.returncode == 2
    assert "It has: py." in unknown.stderr
    assert (
        installed.moor("exec", workspace, "--", "true", env={"MOORAGE_TOKEN": "wrong"}).returncode
        == 3
    )


def test_through_the_gateway(installed: Installation, workspace: str) -> None:
    """A server elsewhere is reached by its URL, with a token of the environment: commands, too."""
    elsewhere = {
        "MOORAGE_HOME": "/nowhere",
        "MOORAGE_SERVER": installed.url,
        "MOORAGE_TOKEN": installed.home.secret("admin-token"),
    }
    assert (
        json.loads(installed.moor("show", workspace, "-o", "json", env=elsewhere).stdout)["title"]
        == workspace
    )
    done = installed.moor("exec", workspace, "--", "cat", env=elsewhere, input="through\n")
    assert (done.returncode, done.stdout) == (0, "through\n")


def test_logs(installed: Installation, workspace: str) -> None:
    """The editor's container by default; as many lines as were asked for."""
    everything = installed.moor("logs", workspace, "-c", "py")
    assert everything.returncode == 0
    assert "60001" in everything.stdout
    assert (
        installed.moor("logs", workspace, "--tail", "1").stdout.splitlines()
        == everything.stdout.splitlines()[-1:]
    )


def test_following_logs(installed: Installation, workspace: str) -> None:
    """What the container writes appears at once; Ctrl-C ends it with 130."""
    with subprocess.Popen(
        [MOOR, "logs", workspace, "-f", "--tail", "0"],
        env=installed.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        try:
            written = f"from-outside-{time.monotonic_ns()}"
            # The main container's process, whose output the engine keeps, has id 1.
            script = f"while sleep 0.2; do echo {written} > /proc/1/fd/1; done"
            with subprocess.Popen(
                [MOOR, "exec", workspace, "--", "sh", "-c", script],
                env=installed.environ,
                stdin=subprocess.DEVNULL,
            ) as writer:
                while written not in process.stdout.readline():
                    assert process.poll() is None
                writer.send_signal(signal.SIGINT)
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
