"""Moorage in a cluster, as the chart installs it: from `helm install` to an editor in a browser,
and to nothing left."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cluster.clusters import Cluster
from cluster.figures import FIGURES
from cluster.release import EAST, EAST_PORT, NAME, ZONE, Elsewhere, Release
from e2e.conftest import repository
from e2e.installation import CHROMIUM, ROOT, eventually, picture, visit
from e2e.vscode import expect_file, open_terminal, type_command, wait_until_loaded
from integration.gateway.certificates import Authority
from integration.server.postgres import PASSWORD, Postgres

__all__ = ["repository"]
pytestmark = pytest.mark.timeout(400)


@dataclass
class Walk:
    """What one step hands to the next."""

    release: Release
    before: set[str]
    context: BrowserContext
    page: Page
    name: str = ""

    def url(self, port: int, path: str = "/") -> str:
        return f"http://{port}-{self.name}.{ZONE}:{self.release.port}{path}"


@pytest.fixture(scope="module")
def browser(cluster: Cluster) -> Iterator[Browser]:
    """Finds the zone's hosts on this machine, as DNS would."""
    names = [name for zone in (ZONE, EAST) for name in (zone, f"*.{zone}")]
    rule = "--host-resolver-rules=" + ", ".join(
        f"MAP {name} {cluster.node_address()}" for name in names
    )
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**{**CHROMIUM, "args": [*CHROMIUM["args"], rule]})  # type: ignore[arg-type, list-item]
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def walk(
    cluster: Cluster, browser: Browser, own_images: dict[str, str], postgres: Postgres
) -> Iterator[Walk]:
    database = postgres.new_database_at(cluster.address())
    release = Release(cluster, own_images, database, values={"server": {"replicas": 2}})
    before = release.everything()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        yield Walk(release, before, context, context.new_page())
    finally:
        context.close()
        release.keep_logs(ROOT / "build/logs/chart")
        release.uninstall()
        release.remove(release.everything() - before)


def test_install(walk: Walk) -> None:
    """One command, and everything is ready; the notes say how to sign in, by a command that works
    as it stands."""
    began = time.monotonic()
    notes = walk.release.install()
    FIGURES.note("helm install until all is ready", time.monotonic() - began, "s")
    for part, count in (("server", 2), ("gateway", 2), ("agent", 1)):
        assert len(walk.release.pods(part)) == count
    command = re.search(r"kubectl -n \S+ exec \S+ -- moor sign-in-link admin", notes)
    assert command, notes
    link = walk.release.kubectl(*command[0].split()[3:]).strip()
    visit(walk.page, link)
    walk.page.get_by_role("button", name="Sign in").click()
    walk.page.wait_for_url(f"{walk.release.url}/")
    with walk.release.api() as api:
        eventually("the agent is connected", lambda: api.get("/agents/local").json()["connected"])
        assert api.get("/agents/local").json()["runtime"] == "kubernetes"


def test_pods_have_no_more_rights_than_they_need(walk: Walk) -> None:
    """Server and gateway have no token of the cluster's; the agent's may not read roles or touch
    nodes. No pod has an environment made of Services."""
    for part in ("server", "gateway"):
        mounts = [
            m
            for pod in walk.release.pods(part)
            for c in pod["spec"]["containers"]
            for m in c["volumeMounts"]
        ]
        assert not [m for m in mounts if "serviceaccount" in m["mountPath"]]
    environment = walk.release.kubectl("exec", f"deployment/{NAME}-server", "--", "env")
    assert "MOORAGE_SERVER_PORT" not in environment
    account = f"--as=system:serviceaccount:{walk.release.namespace}:{NAME}-agent"
    for verb, what in (
        ("get", "clusterroles"),
        ("delete", "nodes"),
        ("create", "pods"),
        ("update", "deployments"),
    ):
        assert (
            walk.release.kubectl("auth", "can-i", verb, what, "-A", account, check=False)
            .strip()
            .endswith("no")
        )


def test_create_and_open_the_editor(walk: Walk, repository: str) -> None:
    """A workspace of a repository is made by `moor create`; VS Code opens on its clone, through the
    gateway."""
    began = time.monotonic()
    walk.name = walk.release.json("create", repository, "--name", "walk")["name"]
    FIGURES.note("moor create until it runs, in a pod of the chart", time.monotonic() - began, "s")
    shown = walk.release.json("show", walk.name)
    assert shown["state"] == "Running"
    assert walk.name in walk.release.kubectl("get", "namespaces", "-o", "name")
    visit(walk.page, walk.url(60001, "/?folder=/projects/python-http-simple"))
    wait_until_loaded(walk.page)
    for name in (".devfile.yaml", "hello.py"):
        expect_file(walk.page, name)
    picture(walk.page, "cluster-1-editor")


def test_a_port_is_served_to_its_owner_alone(walk: Walk, browser: Browser) -> None:
    """What is started in the editor's terminal answers at its own host; without a session nobody
    gets there, and another person is refused."""
    open_terminal(walk.page)
    type_command(walk.page, "echo from-a-pod > index.html; python3 -m http.server 8080")
    app = walk.context.new_page()
    eventually(
        "8080 answers", lambda: visit(app, walk.url(8080)).status == 200, within=60, every=0.5
    )
    expect(app.locator("body")).to_contain_text("from-a-pod")
    picture(app, "cluster-2-app")
    app.close()
    with _stranger(browser) as stranger:
        visit(stranger, walk.url(8080))
        assert stranger.url.startswith(f"{walk.release.url}/sign-in")
        walk.release.moor("users", "add", "bob")
        visit(stranger, walk.release.json("sign-in-link", "bob")["url"])
        stranger.get_by_role("button", name="Sign in").click()
        stranger.wait_for_url(re.compile(r"/$|/workspaces"))
        for port in (60001, 8080):
            assert visit(stranger, walk.url(port)).status == 403


@contextmanager
def _stranger(browser: Browser) -> Iterator[Page]:
    """A browser of somebody else's."""
    context = browser.new_context()
    try:
        yield context.new_page()
    finally:
        context.close()


def test_commands_and_logs(walk: Walk) -> None:
    """`moor exec` and `moor logs` work through agent and API server, whichever replica of the
    server is asked."""
    servers = walk.release.pods("server")
    assert len(servers) == 2
    for pod in servers:
        moor = ("exec", pod["metadata"]["name"], "--", "moor")
        command = ("exec", walk.name, "--", "sh", "-c", "id -g; cat index.html")
        assert walk.release.kubectl(*moor, *command).split() == ["0", "from-a-pod"]
        assert "HTTP server listening" in walk.release.kubectl(*moor, "logs", walk.name)


def test_an_upgrade_drops_no_websocket(walk: Walk) -> None:
    """`helm upgrade` with changed settings makes new pods of all three. The editor's WebSockets
    stay open: they live on in the old gateway pods, which end when they do; meanwhile new
    connections go to the new ones."""
    closed: list[str] = []
    page = walk.context.new_page()
    page.on("websocket", lambda socket: socket.on("close", lambda: closed.append(socket.url)))
    visit(page, walk.url(60001, "/?folder=/projects/python-http-simple"))
    wait_until_loaded(page)
    open_terminal(page)
    type_command(page, "while true; do date +%s >> /projects/ticks; sleep 0.2; done")
    closed.clear()
    before = {
        part: {pod["metadata"]["uid"] for pod in walk.release.pods(part)}
        for part in ("server", "gateway", "agent")
    }
    changed = {"log_level": "debug"}
    walk.release.install(
        {
            "server": {"settings": changed},
            "gateway": {"settings": changed},
            "agent": {"settings": changed},
        }
    )

    def all_new() -> bool:
        return not any(
            pod["metadata"]["uid"] in before[part]
            for part in before
            for pod in walk.release.pods(part)
        )

    eventually("all pods are new", all_new, within=60, every=0.5)
    # Longer than the old pods let new connections in.
    page.wait_for_timeout(8000)
    assert closed == []
    said, deadline = "", time.monotonic() + 40
    while "still-here" not in said and time.monotonic() < deadline:
        page.keyboard.press("Control+C")
        type_command(page, "echo still-here > /projects/mark")
        said = walk.release.moor("exec", walk.name, "--", "cat", "/projects/mark", check=False)
    assert "still-here" in said, "the same terminal takes no commands any more"
    assert closed == []
    fresh = walk.context.new_page()
    visit(fresh, walk.url(60001, "/?folder=/projects/python-http-simple"))
    wait_until_loaded(fresh)
    fresh.close()
    page.close()


def test_generated_secrets_outlive_an_upgrade(walk: Walk) -> None:
    """What was made at the installation is the same afterwards: nobody was signed out."""
    visit(walk.page, f"{walk.release.url}/")
    expect(walk.page.get_by_text("walk", exact=True).first).to_be_visible()


def test_stop_and_start(walk: Walk) -> None:
    """A stopped workspace has no pod; started again, its files are there."""
    walk.release.moor("stop", walk.name)
    eventually(
        "its pod is gone",
        lambda: not json_items(walk.release, "pods", walk.name),
        within=120,
        every=0.5,
    )
    assert json_items(walk.release, "persistentvolumeclaims", walk.name)
    walk.release.moor("start", walk.name)
    shown = walk.release.moor(
        "exec", walk.name, "--", "cat", "/projects/python-http-simple/index.html"
    )
    assert shown.strip() == "from-a-pod"


def json_items(release: Release, kind: str, namespace: str) -> list[Any]:
    found: list[Any] = json.loads(release.kubectl("get", kind, "-n", namespace, "-o", "json"))[
        "items"
    ]
    return found


def test_delete_leaves_nothing_of_the_workspace(walk: Walk) -> None:
    """Namespace, claims, volumes and secrets of the workspace are gone, and its URL is unknown."""
    walk.release.moor("delete", "--yes", walk.name)
    eventually(
        "nothing of the workspace is left",
        lambda: not [name for name in walk.release.everything() if walk.name in name] or None,
        within=90,
        every=1,
    )
    page = walk.context.new_page()
    eventually("its URL is unknown", lambda: visit(page, walk.url(60001)).status == 404, within=20)
    page.close()


WRONG: list[tuple[str, Callable[[str], Any], str]] = [
    (
        "server",
        lambda url: {"database": {"url": url.replace(PASSWORD, "nonsense")}},
        "The database cannot be used: password authentication failed",
    ),
    (
        "server",
        lambda url: {"database": {"url": re.sub(r":\d+/", ":9/", url)}},
        "The database cannot be used",
    ),
    (
        "server",
        lambda _: {"server": {"settings": {"public_url": "nonsense"}}},
        "public_url must be an origin",
    ),
    (
        "server",
        lambda _: {"server": {"settings": {"publik_url": "x"}}},
        "sets publik_url under [server]",
    ),
    ("gateway", lambda _: {"gateway": {"settings": {"idle_hours": -1}}}, "idle_hours = -1"),
    (
        "agent",
        lambda _: {"agent": {"workspaceSettings": {"remote_development": {"storag": {}}}}},
        "storag",
    ),
]


@pytest.mark.parametrize(("part", "values", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_what_is_wrong_is_in_the_pods_log(
    walk: Walk, part: str, values: Callable[[str], Any], words: str
) -> None:
    """What Helm cannot know to be wrong, the process says in its pod's log, where `kubectl describe
    pod` shows it, too; what ran before goes on."""
    before = {pod["metadata"]["uid"] for pod in walk.release.pods(part)}
    walk.release.install(values(walk.release.database), wait=False)

    def said() -> str | None:
        for pod in walk.release.pods(part):
            name = pod["metadata"]["name"]
            if pod["metadata"]["uid"] not in before:
                for previous in ((), ("--previous",)):
                    log = walk.release.kubectl(
                        "logs", name, "--all-containers", *previous, check=False
                    )
                    if words in log and words in walk.release.kubectl("describe", "pod", name):
                        return name
        return None

    eventually(f"a pod says {words!r}", said, within=60, every=1)
    still = {pod["metadata"]["uid"] for pod in walk.release.pods(part)}
    assert before & still, "nothing of what ran before is left"
    assert walk.release.json("list") == {"items": []}


def test_a_second_cluster(walk: Walk, browser: Browser, repository: str, tmp_path: Path) -> None:
    """The command that the server gives for a new agent installs agent and gateway elsewhere. A
    token that the server does not know is said in the agent's log; with its own, the agent is
    connected, and its workspaces open at its own zone."""
    walk.release.install()
    with walk.release.api() as api:
        added = api.post(
            "/agents", json={"name": "east", "zone_url": f"http://{EAST}:{EAST_PORT}"}
        ).json()
    east = Elsewhere(walk.release, added["helm"], tmp_path)
    try:
        east.install(token="moor_agent_of-somebody-else")
        eventually(
            "the agent says it",
            lambda: "the server does not know this agent's token" in east.log("agent"),
        )
        east.install()
        with walk.release.api() as api:
            eventually(
                "it is connected", lambda: api.get("/agents/east").json()["connected"], every=1
            )
        name = walk.release.json("create", repository, "--agent", "east", "--name", "there")["name"]
        page = walk.context.new_page()
        visit(page, f"http://60001-{name}.{EAST}:{EAST_PORT}/?folder=/projects/python-http-simple")
        wait_until_loaded(page)
        picture(page, "cluster-3-elsewhere")
        page.close()
        walk.release.moor("delete", "--yes", name)
    finally:
        east.uninstall()


def test_tls(walk: Walk, tmp_path: Path) -> None:
    """With certificates among the values, HAProxy ends TLS: each host name gets the one that is for
    it."""
    authority = Authority(tmp_path / "ca")
    zone, wild = authority.issue(ZONE), authority.issue(f"*.{ZONE}")
    tls = {
        "workspaceDomainCert": zone[0].read_text(),
        "workspaceDomainKey": zone[1].read_text(),
        "wildcardDomainCert": wild[0].read_text(),
        "wildcardDomainKey": wild[1].read_text(),
    }
    walk.release.install({"ingress": {"tls": tls}})
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    address = (walk.release.cluster.node_address(), walk.release.port)

    def names_of(host: str) -> list[Any]:
        with (
            socket.create_connection(address, timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            certificate = wrapped.getpeercert()
            assert certificate is not None
            return [name for _, name in certificate["subjectAltName"]]

    def answers() -> bool:
        try:
            return names_of(ZONE) == [ZONE] and names_of(f"60001-workspace-1-1-abcdef.{ZONE}") == [
                f"*.{ZONE}"
            ]
        except OSError:  # an old pod may still be there for new connections
            return False

    eventually("the zone's certificate, and that of its workspaces", answers, within=60, every=0.5)
    link = walk.release.json("sign-in-link", "admin")["url"]
    assert link.startswith(f"https://{ZONE}:{walk.release.port}/")


def test_a_wrong_type_never_gets_there(walk: Walk) -> None:
    """Helm refuses, names the value, and changes nothing."""
    revision = walk.release.helm("history", NAME)
    said = walk.release.helm(
        "upgrade",
        NAME,
        str(ROOT / "deploy/helm/moorage"),
        "--reuse-values",
        "--set",
        "server.replicas=many",
        check=False,
    )
    assert "server/replicas" in said
    assert walk.release.helm("history", NAME) == revision


def test_uninstall_leaves_nothing(walk: Walk) -> None:
    """After `helm uninstall`, and the removal of its namespace, the cluster is as it was."""
    walk.release.uninstall()
    walk.release.expect_nothing_beyond(walk.before)
