"""How long from `POST` to the editor's page, and what an installation costs while nobody uses it.

The floor is measured in the same run: `docker run` of the same image with the same editor, until
the same page answers. Needs root, Docker and the images (`make images`); starts and ends an
installation of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

from report import record  # noqa: E402

from e2e.installation import Installation, docker, end, eventually, http_browser, new_home  # noqa: E402
from ports import free_ports  # noqa: E402

RUNS = 10
IMAGE = "moorage/python-workspace:latest"
FOLDER = "/projects/python-http-simple"


def floor(tools_volume: str) -> float:
    """Seconds from `docker run` to the editor's page."""
    began = time.monotonic()
    with (
        bare_editor(tools_volume) as address,
        httpx.Client(trust_env=False, timeout=5, follow_redirects=True) as client,
    ):
        eventually("the floor's page", lambda: _ok(client, address), every=0.02)
        return time.monotonic() - began


@contextlib.contextmanager
def bare_editor(tools_volume: str) -> Iterator[str]:
    """The editor in a container with what a workspace has (the tools, a volume, no privileges) and
    nothing of Moorage around it; its address on this machine."""
    name = f"mr-bench-floor-{os.getpid()}"
    mounts = ["-v", f"{tools_volume}:/opt/moorage:ro"]
    restrictions = ["-u", "5001:0", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    places = ["-e", "HOME=/tmp", "-p", "127.0.0.1::60001"]
    editor = ["/opt/moorage/node/bin/node", "/opt/moorage/editors/code-server/out/node/entry.js"]
    flags = ["--auth", "none", "--bind-addr", "0.0.0.0:60001"]
    quiet = ["--disable-telemetry", "--disable-update-check"]
    command = [*mounts, *restrictions, *places, IMAGE, *editor, *flags, *quiet]
    docker("run", "-d", "--name", name, *command)
    try:
        port = docker("port", name, "60001/tcp").strip().rpartition(":")[2]
        yield f"http://localhost:{port}/"
    finally:
        docker("rm", "-f", "-v", name)


def _ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False


def signed_in(installation: Installation) -> httpx.Client:
    """A browser's worth of cookies, as the administrator."""
    client = http_browser()
    link = installation.json("sign-in-link")["url"]
    client.post(link, headers={"Origin": installation.url}).raise_for_status()
    return client


def start(installation: Installation, browser: httpx.Client, repository: str) -> float:
    """Seconds from `POST /workspaces` to 200 from the editor's page through the gateway."""
    with installation.api() as api:
        began = time.monotonic()
        created = api.post("/workspaces", json={"repository": repository})
        created.raise_for_status()
        name = created.json()["name"]
        url = f"http://60001-{name}.localhost:{installation.port}/?folder={FOLDER}"
        eventually("the editor's page", lambda: _ok(browser, url), every=0.02)
        took = time.monotonic() - began
        api.delete(f"/workspaces/{name}").raise_for_status()
        eventually("it is deleted", lambda: api.get(f"/workspaces/{name}").status_code == 404)
    return took


def tools_volume(installation: Installation, repository: str) -> str:
    """The volume with the tools that this installation's workspaces mount."""
    name = installation.json("create", repository)["name"]
    mounts = json.loads(docker("inspect", "-f", "{{json .Mounts}}", f"{name}.py"))
    installation.run("delete", "--yes", name)
    return next(str(mount["Name"]) for mount in mounts if mount["Destination"] == "/opt/moorage")


def idle(installation: Installation, seconds: float = 30) -> tuple[float, float]:
    """Resident MB (the sum of each process's RSS) and per cent of a core, of all that `moor up`
    started."""
    pids = tree(int((installation.home / "run" / "supervisor.pid").read_text().split()[0]))
    before, began = cpu_seconds(pids), time.monotonic()
    time.sleep(seconds)
    return sum(map(resident, pids)), 100 * (cpu_seconds(pids) - before) / (time.monotonic() - began)


def tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" ", 1)
        except OSError:
            continue
        children.setdefault(int(rest.rsplit(")", 1)[1].split()[1]), []).append(int(pid))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def resident(pid: int) -> float:
    """MB of memory that is resident, as `ps` shows it (RSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_installation() -> Iterator[tuple[Installation, str]]:
    """An installation of its own, and the URL of a repository that it may read."""
    serve = [sys.executable, str(ROOT / "scripts" / "serve-example")]
    state = new_home()
    served = subprocess.run(
        [*serve, "--state", str(state), "--detach", "--port", "0"],
        capture_output=True,
        text=True,
        check=True,
    )
    repository = next(word for word in served.stdout.split() if word.startswith("http://"))
    installation = Installation(new_home(), free_ports(2))
    try:
        installation.up("--repository-network", urlsplit(repository).netloc)
        yield installation, repository
    finally:
        end(installation)
        subprocess.run([*serve, "--state", str(state), "--stop"], check=True)


def main() -> None:
    with running_installation() as (installation, repository):
        measure(installation, repository)


def measure(installation: Installation, repository: str) -> None:
    browser = signed_in(installation)
    start(installation, browser, repository)
    volume = tools_volume(installation, repository)
    floor(volume)
    floors, starts = [], []
    for _ in range(RUNS):
        floors.append(floor(volume))
        starts.append(start(installation, browser, repository))
    bare, ours = statistics.median(floors), statistics.median(starts)
    print(
        json.dumps(
            {"floor_s": [round(t, 3) for t in floors], "start_s": [round(t, 3) for t in starts]}
        )
    )
    record("start_floor", round(bare, 3), "s", "(for comparison)", holds=True)
    record("start_to_editor", round(ours, 3), "s", "(for comparison)", holds=True)
    ratio = round(ours / bare, 2)
    record("start_to_editor_vs_floor", ratio, "ratio", "at most 2.0", holds=ratio <= 2.0)
    memory, cpu = idle(installation)
    record("idle_memory", round(memory), "MB", "at most 300", holds=memory <= 300)
    record("idle_cpu", round(cpu, 2), "% of a core", "under 2", holds=cpu < 2)


if __name__ == "__main__":
    main()
