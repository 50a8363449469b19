"""`scripts/serve-example`: examples as Git repositories over HTTP, to read only."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import git_http
import pytest

from integration.tools.containers import SCRIPTS, docker, run, until

SCRIPT = SCRIPTS / "serve-example"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts the server on the loopback address, or uses the one that runs; the repository's
    URL."""

    def start(*arguments: str, address: str = "127.0.0.1") -> str:
        flags = ["--state", str(tmp_path), "--detach", "--address", address, "--port", "0"]
        return run(SCRIPT, *flags, *arguments).stdout.strip()

    yield start
    run(SCRIPT, "--state", str(tmp_path), "--stop")


def server_pid(state: Path) -> int | None:
    found = git_http.State(state).running()
    return found[0] if found else None


def status(url: str, body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_example_is_cloned_whole_and_in_part(serve: Callable[..., str], tmp_path: Path) -> None:
    """A full clone has the example's files; a partial, shallow one without check-out can still read
    a single file."""
    url = serve()
    run("git", "clone", "--quiet", url, tmp_path / "whole")
    names = {path.name for path in (tmp_path / "whole").iterdir()} - {".git"}
    assert names == {".devfile.yaml", "README.md", "hello.py", "requirements.txt"}

    flags = ["--quiet", "--filter=blob:none", "--depth=1", "--no-checkout"]
    run("git", "clone", *flags, url, tmp_path / "part")
    assert not (tmp_path / "part" / "hello.py").exists()
    shown = run("git", "-C", tmp_path / "part", "show", "HEAD:.devfile.yaml").stdout
    assert shown == (git_http.EXAMPLES / "python-http-simple" / ".devfile.yaml").read_text()


@pytest.mark.docker
def test_containers_reach_the_default_address(serve: Callable[..., str], tools_image: str) -> None:
    """The address on the engine's bridge is good for this machine and for its containers alike."""
    url = serve(address=git_http.bridge_address())
    commit = run("git", "ls-remote", url, "HEAD").stdout.split()[0]
    assert docker("run", "--rm", tools_image, "git", "ls-remote", url, "HEAD").split()[0] == commit


def test_second_call_uses_the_running_server_and_changes_nothing(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    """Same URL, same process, same commit; another example is served beside the first."""
    url = serve()
    pid, commit = server_pid(tmp_path), run("git", "ls-remote", url, "HEAD").stdout
    assert serve() == url
    assert server_pid(tmp_path) == pid
    assert run("git", "ls-remote", url, "HEAD").stdout == commit
    other = serve("multi-container")
    assert other == url.replace("python-http-simple", "multi-container")
    assert run("git", "ls-remote", other, "HEAD").stdout != commit


def test_changed_files_make_a_commit_on_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files make the same commit anywhere; other files make the next one."""
    monkeypatch.setattr(git_http, "EXAMPLES", tmp_path / "examples")
    file = tmp_path / "examples" / "own" / "a.txt"
    file.parent.mkdir(parents=True)
    file.write_text("one")

    def head(folder: str) -> str:
        repository = git_http.make_repository("own", tmp_path / folder)
        return run("git", "-C", repository, "rev-parse", "main").stdout.strip()

    first = head("here")
    assert head("there") == head("here") == first
    file.write_text("two")
    second = head("here")
    parent = run(
        "git", "-C", tmp_path / "here" / "own.git", "rev-parse", f"{second}^"
    ).stdout.strip()
    assert parent == first


def test_nothing_can_be_written_or_read_but_repositories(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    """A push is refused, and so is every path that no fetch asks for."""
    url = serve()
    run("git", "clone", "--quiet", url, tmp_path / "clone")
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    run("git", "-C", tmp_path / "clone", *who, "commit", "--quiet", "--allow-empty", "-m", "x")
    assert run("git", "-C", tmp_path / "clone", "push", check=False).returncode != 0
    origin = url.rpartition("/")[0]
    assert status(f"{url}/info/refs?service=git-receive-pack") == 404
    assert status(f"{url}/git-receive-pack", b"") == 403
    assert status(f"{url}/HEAD") == 404
    assert status(f"{origin}/..%2f..%2fetc.git/info/refs?service=git-upload-pack") == 404
    assert status(f"{origin}/missing.git/info/refs?service=git-upload-pack") == 404


def test_oversized_request_is_refused(serve: Callable[..., str]) -> None:
    """What a client wants and has is short; the server does not read on for ever."""
    url = serve()
    head = f"POST /{url.rpartition('/')[2]}/git-upload-pack HTTP/1.1\r\nContent-Length: {git_http.BODY_LIMIT + 1}\r\n\r\n"
    host, port = url.split("/")[2].split(":")
    import socket

    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(100)


def test_stop_ends_the_server_and_no_other_process(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    """A process id that has been given to another process since is left alone."""
    url = serve()
    pid = server_pid(tmp_path)
    assert pid is not None
    run(SCRIPT, "--state", tmp_path, "--stop")
    assert git_http.start_time(pid) is None
    with pytest.raises(urllib.error.URLError):
        status(f"{url}/info/refs?service=git-upload-pack")

    with subprocess.Popen(["sleep", "60"]) as bystander:
        (tmp_path / "serve.pid").write_text(f"{bystander.pid} 1 http://127.0.0.1:1\n")
        run(SCRIPT, "--state", tmp_path, "--stop")
        assert bystander.poll() is None
        bystander.terminate()


def test_server_that_was_killed_is_started_again(serve: Callable[..., str], tmp_path: Path) -> None:
    """A state folder with the id of a process that is gone is no obstacle."""
    serve()
    pid = server_pid(tmp_path)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until("it is gone", lambda: git_http.start_time(pid) is None)
    assert run("git", "ls-remote", serve(), "HEAD").stdout


def test_unknown_example_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    """The message helps to choose."""
    done = run(SCRIPT, "nothing", "--state", tmp_path, "--detach", check=False)
    assert done.returncode == 1
    assert (
        "there is no example 'nothing'; there are: multi-container, python-http-simple"
        in done.stderr
    )


def test_port_that_is_taken_is_an_error_that_says_what_to_do(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    """Another program has the port: choose another one."""
    port = serve().split(":")[2].partition("/")[0]
    done = run(
        SCRIPT,
        "--state",
        tmp_path / "other",
        "--detach",
        "--address",
        "127.0.0.1",
        "--port",
        port,
        check=False,
    )
    assert done.returncode == 1
    assert (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. Choose another one with --port."
        in done.stderr
    )


@pytest.mark.parametrize(
    ("told", "addresses"),
    [
        ("172.17.0.0/16 172.17.0.1 ", ["172.17.0.1", "172.17.0.1"]),
        ("172.18.0.0/16  ", ["172.18.0.1"]),
        ("fd00::/64 10.88.0.0/16 10.88.0.1 ", ["10.88.0.1", "10.88.0.1"]),
        ("172.17.0.5/16 <no value>", ["172.17.0.1", "<no", "value>"]),
        ("", []),
    ],
)
def test_address_of_the_bridge_is_its_gateways_or_the_first_of_its_subnet(
    told: str, addresses: list[str]
) -> None:
    """Engines do not always tell a gateway. What is no address of this machine is left out by
    trying it."""
    assert git_http.addresses_of(told) == addresses
