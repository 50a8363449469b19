"""Processes die, Docker restarts, many come at once: nobody's work is lost and no connection
drops."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext

from e2e.installation import (
    Installation,
    docker_objects,
    end,
    eventually,
    expect_nothing_left,
    new_home,
    sign_in,
    visit,
)
from e2e.vscode import open_terminal, type_command, wait_until_loaded
from ports import free_ports

TICKS = "/projects/ticks"


@pytest.fixture(scope="module")
def workspace(installation: Installation, repository: str) -> Iterator[str]:
    name = installation.json("create", repository, "--name", "robust")["name"]
    yield name
    installation.run("delete", "--yes", name)


def _stands_still(installation: Installation, workspace: str) -> bool:
    before = ticks(installation, workspace)
    time.sleep(1)
    return ticks(installation, workspace) == before


def ticks(installation: Installation, workspace: str) -> int:
    done = installation.run(
        "exec", workspace, "--", "sh", "-c", f"wc -l < {TICKS} || echo 0", check=False
    )
    return int(done.stdout.strip() or 0)


def state(installation: Installation, workspace: str) -> str:
    return installation.json("show", workspace)["state"]


def test_a_terminal_stays_open_while_every_process_is_killed(
    installation: Installation, workspace: str, new_context: Callable[..., BrowserContext]
):
    """`kill -9` of server, agent and gateway controller, one after the other: the editor's
    WebSockets through the gateway stay open, what runs in the terminal goes on, and each process is
    back within seconds."""
    page = new_context().new_page()
    sign_in(page, installation, "admin")
    closed: list[str] = []
    page.on("websocket", lambda socket: socket.on("close", lambda: closed.append(socket.url)))
    visit(
        page,
        f"http://60001-{workspace}.moorage.localhost:{installation.port}/?folder=/projects/python-http-simple",
    )
    wait_until_loaded(page)
    open_terminal(page)
    type_command(page, f"while true; do echo tick >> {TICKS}; sleep 0.1; done")
    eventually("the loop runs", lambda: ticks(installation, workspace) > 3)
    closed.clear()
    for name in ("server", "agent", "gateway"):
        before = installation.processes()[name]
        pid = installation.kill(name)
        killed = time.monotonic()
        back = eventually(
            f"{name} is restarted",
            lambda name=name, pid=pid: (
                (process := installation.processes().get(name))
                and process["pid"] not in (None, pid)
                and process
            ),
            within=10,
        )
        assert time.monotonic() - killed < 5
        assert back["restarts"] == before["restarts"] + 1
    eventually(
        "the agent is connected again",
        lambda: installation.json("agents")["items"][0]["connected"],
        within=30,
    )
    seen = ticks(installation, workspace)
    eventually("the loop still runs", lambda: ticks(installation, workspace) > seen + 5)
    assert closed == []
    type_command(page, "\x03")
    eventually("the loop has ended", lambda: _stands_still(installation, workspace))
    type_command(page, "touch /projects/typed-after")
    eventually(
        "the terminal takes input",
        lambda: (
            installation.run(
                "exec", workspace, "--", "ls", "/projects/typed-after", check=False
            ).returncode
            == 0
        ),
    )
    assert state(installation, workspace) == "Running"


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.4, 0.8])
def test_the_agent_killed_in_the_middle_converges(
    installation: Installation, repository: str, delay: float
):
    """Killed while it creates, while it stops and while it deletes, the agent comes back and
    finishes the job."""
    before = docker_objects(installation.id)
    installation.settled("agent")
    name = installation.json("create", repository, "--no-wait")["name"]
    time.sleep(delay)
    installation.kill("agent")
    eventually("it runs", lambda: state(installation, name) == "Running")
    with installation.api() as api:
        api.post(f"/workspaces/{name}/stop").raise_for_status()
        time.sleep(delay)
        installation.kill("agent")
        eventually("it is stopped", lambda: state(installation, name) == "Stopped")
        api.delete(f"/workspaces/{name}").raise_for_status()
        time.sleep(delay)
        installation.kill("agent")
    expect_nothing_left(installation, before)


def test_twenty_workspaces_at_once(installation: Installation, repository: str):
    """Twenty creations at the same moment all run; deleting them leaves nothing."""
    before = docker_objects(installation.id)

    def create(_: int) -> str:
        with installation.api() as api:
            answer = api.post("/workspaces", json={"repository": repository})
            answer.raise_for_status()
            return str(answer.json()["name"])

    with ThreadPoolExecutor(20) as pool:
        names = list(pool.map(create, range(20)))
    assert len(set(names)) == 20

    def states() -> dict[str, str]:
        return {
            item["name"]: item["state"]
            for item in installation.json("list")["items"]
            if item["name"] in names
        }

    eventually("all run", lambda: list(states().values()) == ["Running"] * 20, within=240, every=1)
    with installation.api() as api:
        for name in names:
            api.delete(f"/workspaces/{name}").raise_for_status()
    expect_nothing_left(installation, before, within=180)


@pytest.fixture
def own_engine() -> Iterator[Callable[[], None]]:
    """A second Docker engine, with a bridge of its own, that the test may restart. Sets
    DOCKER_HOST."""
    folder = Path(tempfile.mkdtemp(prefix="mr-docker-"))
    socket = f"unix://{folder}/docker.sock"
    bridge = f"mr{os.getpid()}"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", "10.214.255.1/24", "dev", bridge], check=True)
    subprocess.run(["ip", "link", "set", bridge, "up"], check=True)
    (folder / "daemon.json").write_text("{}")
    command = ["dockerd", "--config-file", f"{folder}/daemon.json", "--data-root", f"{folder}/data"]
    command += [
        "--exec-root",
        f"{folder}/exec",
        "--pidfile",
        f"{folder}/pid",
        "-H",
        socket,
        "--bridge",
        bridge,
    ]
    engines: list[subprocess.Popen[bytes]] = []

    def answers() -> bool:
        return (
            subprocess.run(
                ["docker", "-H", socket, "version"], capture_output=True, check=False
            ).returncode
            == 0
        )

    def restart() -> None:
        if engines:
            engines[-1].terminate()
            engines[-1].wait(60)
        with (folder / "log").open("ab") as log:
            engines.append(
                subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            )
        eventually("the engine answers", answers)

    restart()
    previous = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = socket
    yield restart
    os.environ.pop("DOCKER_HOST")
    if previous:
        os.environ["DOCKER_HOST"] = previous
    engines[-1].terminate()
    engines[-1].wait(60)
    subprocess.run(["ip", "link", "delete", bridge], check=False)
    for line in Path("/proc/mounts").read_text().splitlines():
        if line.split()[1].startswith(str(folder)):
            subprocess.run(["umount", "-l", line.split()[1]], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def copy_images(target: str) -> None:
    """Both images, from the machine's engine into the other one."""
    environ = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    with subprocess.Popen(
        ["docker", "save", "moorage/tools:latest", "moorage/python-workspace:latest"],
        stdout=subprocess.PIPE,
        env=environ,
    ) as save:
        subprocess.run(
            ["docker", "-H", target, "load", "-q"],
            stdin=save.stdout,
            check=True,
            capture_output=True,
        )


def test_docker_restarts(own_engine: Callable[[], None], repository: str):
    """The engine restarts: the workspace comes back by itself, with its files, and not as a
    crash."""
    copy_images(os.environ["DOCKER_HOST"])
    here = Installation(new_home(), free_ports(2))
    try:
        here.up("--repository-network", urlsplit(repository).netloc)
        name = here.json("create", repository)["name"]
        here.run("exec", name, "--", "sh", "-c", "echo kept > /projects/note")
        generation = here.json("show", name)["generation"]
        own_engine()
        eventually(
            "it runs again",
            lambda: (
                here.run("exec", name, "--", "cat", "/projects/note", check=False).stdout
                == "kept\n"
            ),
            within=90,
            every=0.5,
        )
        eventually("it says so", lambda: state(here, name) == "Running")
        assert here.json("show", name)["generation"] == generation
        here.run("delete", "--yes", name)
    finally:
        end(here)
