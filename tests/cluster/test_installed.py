"""Moorage as the chart installs it: while parts of it are killed, what was asked for happens all
the same, and nobody is cut off; and a Docker host works beside the cluster."""

from __future__ import annotations

import base64
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page

from cluster.clusters import Cluster, own
from cluster.figures import FIGURES
from cluster.release import NAME, SERVER_ADDRESS, ZONE, Release
from cluster.test_chart import browser
from e2e.conftest import repository
from e2e.installation import ROOT, eventually, visit
from e2e.vscode import open_terminal, type_command, wait_until_loaded
from integration.runtimes.worlds import docker
from integration.server.postgres import Postgres
from moorage.kernel.home import write_private
from ports import free_ports

__all__ = ["browser", "repository"]
pytestmark = pytest.mark.timeout(900)

KILLS = 50
OPERATIONS = 100
WORKSPACES = 4
AWAY = 80.0
"""Seconds without a server: longer than any connection may be silent (HAProxy: 75)."""


@dataclass
class Installed:
    release: Release
    api: httpx.Client
    """The REST API through the gateway, as the first administrator."""

    def workspaces(self) -> dict[str, dict[str, Any]]:
        return {item["name"]: item for item in self._json("GET", "/workspaces")["items"]}

    def create(self, repository: str, agent: str = "local") -> str:
        asked = {"repository": repository, "agent": agent}
        return str(self._json("POST", "/workspaces", json=asked)["name"])

    def ask(self, name: str, what: str) -> None:
        self._json("POST", f"/workspaces/{name}/{what}")

    def delete(self, name: str) -> None:
        self._json("DELETE", f"/workspaces/{name}")

    def agent(self, name: str = "local") -> dict[str, Any]:
        found: dict[str, Any] = self._json("GET", f"/agents/{name}")
        return found

    def add_agent(self, name: str, zone_url: str) -> dict[str, Any]:
        made: dict[str, Any] = self._json(
            "POST", "/agents", json={"name": name, "zone_url": zone_url}
        )
        return made

    def remove_agent(self, name: str) -> None:
        self._json("DELETE", f"/agents/{name}")

    def until_state(self, name: str, state: str, within: float = 120) -> None:
        eventually(
            f"{name} is {state}",
            lambda: (self.workspaces().get(name) or {}).get("state") == state,
            within=within,
            every=0.5,
        )

    def pod_of(self, name: str) -> str:
        """Identifies the workspace's pod, and so this run of its containers."""
        (pod,) = self.release.get("pods", "-n", name)["items"]
        return str(pod["metadata"]["uid"])

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.api.request(method, path, **arguments)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def installed(
    cluster: Cluster, own_images: dict[str, str], postgres: Postgres
) -> Iterator[Installed]:
    release = Release(cluster, own_images, postgres.new_database_at(cluster.address()))
    before = release.everything()
    try:
        release.install()
        secret = release.get("secret", f"{NAME}-secrets")["data"]["admin-token"]
        headers = {
            "Authorization": f"Bearer {base64.b64decode(secret).decode()}",
            "Host": f"{ZONE}:{release.port}",
        }
        # A connection for each request: one that began while nothing listened would lead there for
        # as long as it is kept.
        with httpx.Client(
            base_url=f"http://{cluster.node_address()}:{release.port}/api/v1",
            headers=headers,
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=30,
        ) as api:
            yield Installed(release, api)
    finally:
        release.keep_logs(ROOT / "build/logs/chart-faults")
        release.uninstall()
        release.remove(release.everything() - before)


@dataclass
class Wishes:
    """What was asked for, and so what should be in the end."""

    installed: Installed
    repository: str
    desired: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    def create(self) -> None:
        self.desired[self.installed.create(self.repository)] = "Running"

    def random(self) -> None:
        name = random.choice(sorted(self.desired))
        if random.random() < 0.1:
            self.installed.delete(name)
            self.deleted.add(name)
            del self.desired[name]
            self.create()
            return
        what = random.choice(("stop", "restart") if self.desired[name] == "Running" else ("start",))
        self.installed.ask(name, what)
        self.desired[name] = "Stopped" if what == "stop" else "Running"

    def came_true(self) -> bool:
        states = {name: item["state"] for name, item in self.installed.workspaces().items()}
        return states == self.desired


def kill_agent(release: Release) -> None:
    """As a node that fails: no signal, no grace."""
    release.kubectl(
        "delete", "pod", "-l", "app.kubernetes.io/name=moorage-agent", "--force", "--grace-period=0", "--wait=false"
    )  # fmt: skip


def test_the_agents_pod_killed_again_and_again(installed: Installed, repository: str) -> None:
    """100 operations on four workspaces while the agent's pod is killed 50 times: in the end every
    workspace is as it was asked to be, and nothing is left of those that were deleted."""
    random.seed(11)
    wishes = Wishes(installed, repository)
    for _ in range(WORKSPACES):
        wishes.create()
    began = time.monotonic()
    for _ in range(KILLS):
        time.sleep(random.uniform(0.2, 2.5))
        for _ in range(OPERATIONS // KILLS):
            wishes.random()
        kill_agent(installed.release)
    killing, began = time.monotonic() - began, time.monotonic()
    eventually("everything is as it was asked for", wishes.came_true, within=400, every=1)
    settled = time.monotonic() - began
    eventually(
        "nothing is left of what was deleted",
        lambda: (
            not [n for n in installed.release.everything() if any(d in n for d in wishes.deleted)]
            or None
        ),
        within=120,
        every=1,
    )
    there = " ".join(installed.release.everything())
    assert [name for name in wishes.desired if f"Namespace//{name}" not in there] == []
    for what, amount in (
        ("kills", KILLS),
        ("operations", OPERATIONS),
        ("deletions among them", len(wishes.deleted)),
    ):
        FIGURES.note(f"agent's pod killed: {what}", amount)
    FIGURES.note("agent's pod killed: in", killing, "s")
    FIGURES.note("agent's pod killed: all as it should be after the last kill", settled, "s")
    for name in wishes.desired:
        installed.delete(name)
    eventually("all are deleted", lambda: not installed.workspaces(), within=120, every=1)


@pytest.fixture
def page(installed: Installed, browser: Browser) -> Iterator[Page]:
    """Of the first administrator."""
    context = browser.new_context()
    page = context.new_page()
    visit(page, installed.release.moor("sign-in-link", "admin").strip())
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{installed.release.url}/")
    yield page
    context.close()


def test_a_minute_without_a_server(installed: Installed, repository: str, page: Page) -> None:
    """While the server is away, editors and ports stay open and can be opened anew; when it is
    back, no workspace was touched, and what is asked for happens."""
    name, port = installed.create(repository), installed.release.port
    installed.until_state(name, "Running")
    pod = installed.pod_of(name)
    visit(page, f"http://60001-{name}.{ZONE}:{port}/?folder=/projects/python-http-simple")
    wait_until_loaded(page)
    closed: list[str] = []
    page.on("websocket", lambda socket: socket.on("close", lambda: closed.append(socket.url)))
    page.reload()
    wait_until_loaded(page)
    open_terminal(page)
    type_command(page, "echo from-a-pod > index.html; python3 -m http.server 8080")
    app = page.context.new_page()
    eventually(
        "8080 answers",
        lambda: visit(app, f"http://8080-{name}.{ZONE}:{port}/").status == 200,
        every=0.5,
    )
    closed.clear()

    installed.release.kubectl("scale", f"deployment/{NAME}-server", "--replicas=0")
    eventually("the server is away", lambda: not installed.release.pods("server"), every=0.5)
    began, used = time.monotonic(), 0
    while time.monotonic() - began < AWAY:
        status = app.evaluate(
            "n => fetch(`/index.html?${n}`, {cache: 'no-store'}).then(r => r.status)", used
        )
        assert status == 200, f"after {time.monotonic() - began:.0f} s"
        used += 1
        time.sleep(1)
    assert closed == []
    # Also by somebody who opens another port for the first time meanwhile: a session needs no
    # server.
    fresh = page.context.new_page()
    visit(fresh, f"http://60001-{name}.{ZONE}:{port}/?folder=/projects/python-http-simple")
    wait_until_loaded(fresh)
    fresh.close()
    installed.release.kubectl("scale", f"deployment/{NAME}-server", "--replicas=1")
    eventually("the server answers again", lambda: _answers(installed), within=120, every=1)
    eventually(
        "the agent is connected again", lambda: installed.agent()["connected"], within=60, every=0.5
    )
    assert closed == []
    assert installed.pod_of(name) == pod
    assert installed.workspaces()[name]["state"] == "Running"
    FIGURES.note("server away: for", time.monotonic() - began, "s")
    FIGURES.note("server away: requests to a workspace meanwhile, all answered", used)
    installed.ask(name, "stop")
    installed.until_state(name, "Stopped")
    installed.delete(name)
    eventually("it is deleted", lambda: not installed.workspaces(), within=120, every=1)


def _answers(installed: Installed) -> bool:
    try:
        return installed.api.get("/me").is_success
    except httpx.TransportError:
        return False


def test_two_agents_with_one_token(installed: Installed) -> None:
    """The second waits and says why; when the first goes, it takes over within seconds."""
    first = installed.release.pods("agent")[0]["metadata"]["name"]
    installed.release.kubectl("scale", f"deployment/{NAME}-agent", "--replicas=2")

    def saying(words: str) -> str | None:
        """Of the pods that came after the first, one in whose log the words stand."""
        names = {pod["metadata"]["name"] for pod in installed.release.pods("agent")} - {first}
        logs = {name: installed.release.kubectl("logs", name, check=False) for name in names}
        return next((name for name, log in logs.items() if words in log), None)

    waiting = "another agent with this token is connected"
    eventually("the second says that it waits", lambda: saying(waiting), within=60, every=0.5)
    eventually(
        "the server shows it", lambda: installed.agent()["second_seen"], within=30, every=0.5
    )
    began = time.monotonic()
    installed.release.kubectl("delete", "pod", first, "--force", "--grace-period=0", "--wait=false")
    eventually(
        "another is connected", lambda: saying("connected to the server"), within=60, every=0.2
    )
    FIGURES.note("two agents with one token: taken over after", time.monotonic() - began, "s")
    # The cluster made a third in the place of the first; which of the two stays is the cluster's
    # choice.
    installed.release.kubectl("scale", f"deployment/{NAME}-agent", "--replicas=1")
    eventually(
        "one is left", lambda: len(installed.release.pods("agent")) == 1, within=60, every=0.5
    )
    eventually("it is connected, alone", lambda: _alone(installed.agent()), within=60, every=0.5)


def _alone(agent: dict[str, Any]) -> bool:
    return bool(agent["connected"] and agent["second_seen"] is None)


@contextmanager
def docker_host(made: dict[str, Any], tools_image: str, port: int) -> Iterator[None]:
    """Agent and gateway of a new agent, as processes of this machine, by the settings that the
    server gave for it."""
    with tempfile.TemporaryDirectory(prefix="mr-host-") as folder, ExitStack() as stack:
        home = Path(folder)
        settings = made["settings"].replace(
            f"http://{ZONE}:{Release.port}", f"http://{SERVER_ADDRESS}:8000"
        )
        (home / "settings.toml").write_text(settings)
        (home / "secrets").mkdir(mode=0o700)
        keys = {"agent-token": made["tokens"]["agent"], "gateway-token": made["tokens"]["gateway"]}
        for name, text in {**keys, "gateway-key": secrets.token_urlsafe(32)}.items():
            write_private(home / "secrets" / name, text)
        environ = {
            **os.environ,
            "MOORAGE_AGENT_TOOLS_IMAGE": tools_image,
            "MOORAGE_GATEWAY_ADDRESS": "127.0.0.1",
            "MOORAGE_GATEWAY_PORT": str(port),
        }
        for part in ("agent", "gateway", "gateway.haproxy"):
            process = subprocess.Popen(
                [sys.executable, "-m", f"moorage.{part}", "--home", folder], env=environ
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        yield


def test_a_docker_host_beside_the_cluster(
    installed: Installed, own_images: dict[str, str], repository: str, page: Page
) -> None:
    """One server, an agent on Docker and one on Kubernetes: each workspace is where it was asked to
    be, and opens at its own agent's zone for the same person."""
    # the agent on Docker reaches the server's Service from this machine
    own(installed.release.cluster)
    port, zone = free_ports(2), "docker.localhost"
    made = installed.add_agent("docker", f"http://{zone}:{port}")
    with docker_host(made, own_images["tools"], port):
        eventually(
            "the agent on Docker is connected",
            lambda: installed.agent("docker")["connected"],
            within=60,
        )
        assert (installed.agent("docker")["runtime"], installed.agent()["runtime"]) == (
            "docker",
            "kubernetes",
        )
        here, there = installed.create(repository, "docker"), installed.create(repository)
        for name, origin in ((here, f"{zone}:{port}"), (there, f"{ZONE}:{installed.release.port}")):
            installed.until_state(name, "Running")
            visit(page, f"http://60001-{name}.{origin}/?folder=/projects/python-http-simple")
            wait_until_loaded(page)
        assert [installed.workspaces()[name]["agent"] for name in (here, there)] == [
            "docker",
            "local",
        ]
        label = f"label=moorage.dev/workspace={here}"
        assert docker("ps", "-q", "--filter", label)
        everything = " ".join(installed.release.everything())
        assert (here in everything, there in everything) == (False, True)
        for name in (here, there):
            installed.delete(name)
        eventually("both are deleted", lambda: not installed.workspaces(), within=120, every=0.5)
        assert not docker("ps", "-aq", "--filter", label)
    installed.remove_agent("docker")
