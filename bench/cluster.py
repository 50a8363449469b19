"""The Kubernetes agent with a thousand workspaces, on the cluster of the tests. Prints figures and
their limits.

bench/cluster.py [--workspaces 1000]     needs root, unless KUBECONFIG and MOORAGE_TEST_CLUSTER=1
name a cluster

No pods run, as what is measured is the agent. On a cluster of our own the controller manager is
halted, so that Deployments stay what they are. On one that was named pods are made, for nodes that
there are not, and etcd is not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
# in place of this folder, whose own `cluster` would hide that of the tests
sys.path[0] = str(ROOT / "tests")

from cluster import accounts, clusters  # noqa: E402
from moorage.agent.runtimes.kubernetes.api import access  # noqa: E402
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend  # noqa: E402
from moorage.agent.runtimes.port import Identity, Runtime  # noqa: E402
from moorage.agent.settings import AgentSettings  # noqa: E402
from moorage.agent.workspaces.fleet import Fleet  # noqa: E402
from moorage.contract import (  # noqa: E402
    Container,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
    Project,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock  # noqa: E402
from moorage.kernel.home import write_private  # noqa: E402
from moorage.kernel.ids import short_id  # noqa: E402
from moorage.workspace_settings import RemoteDevelopment, Storage  # noqa: E402

SAMPLES = 60
IDLE_SECONDS = 15.0
WRITES = ("apply", "patch", "delete")
NO_NODE = {"moorage.dev/bench": "no-node"}
"""A label that no node has."""
LIMITS = {
    "apply_p95_s": 0.5,
    "memory_mb": 150.0,
    "etcd_kb_per_workspace": 40.0,
    "cold_start_s": 20.0,
    "cold_start_writes": 0.0,
}


def wish(name: str) -> DesiredWorkspace:
    editor = EditorSpec(
        name="code-server", command=("{tools}/editors/code-server/start", "{folder}")
    )
    spec = WorkspaceSpec(
        containers=(Container(name="py", image="example.com/python:1", env={"GREETING": "hello"}),),
        main_container="py",
        editor=editor,
        projects=(
            Project(name="app", clone_path="app", url="https://git.example.com/team/app.git"),
        ),
    )
    return DesiredWorkspace(
        name=name, generation=1, desired=DesiredState.RUNNING, spec=spec, owner=7
    )


def make_backend(kubeconfig: Path, rate: float) -> KubernetesBackend:
    options = AgentSettings(requests_per_second=rate)
    settings = RemoteDevelopment(storage=Storage(size="1Gi"))
    if clusters.is_named():
        options = msgspec.structs.replace(options, schedule_timeout=24 * 3600.0)
        settings = msgspec.structs.replace(settings, node_selector=NO_NODE)
    return KubernetesBackend(access.from_kubeconfig(kubeconfig), options, settings, SystemClock())


class Ears:
    """A `Listener` that only waits for the cluster."""

    def __init__(self) -> None:
        self.up = asyncio.Event()

    def changed(self, workspace: str) -> None: ...
    def progressed(self, workspace: str) -> None: ...
    def lost(self, cause: object) -> None: ...
    def recovered(self) -> None:
        self.up.set()


async def populate(kubeconfig: Path, identity: Identity, names: list[str]) -> dict[str, float]:
    """Makes the workspaces, then more, one at a time and at the usual rate, and times these."""
    figures: dict[str, float] = {}
    backend, ears = make_backend(kubeconfig, 1000), Ears()
    runtime = backend.runtime_for(identity, ears)
    task = asyncio.create_task(runtime.run())
    await ears.up.wait()
    turns = asyncio.Semaphore(8)

    async def make(name: str) -> None:
        async with turns:
            await runtime.start(wish(name), received=time.time())

    began = time.monotonic()
    await asyncio.gather(*(make(name) for name in names))
    figures["populate_s"] = time.monotonic() - began
    await end(task, runtime, backend)
    backend, ears = make_backend(kubeconfig, 50), Ears()
    runtime = backend.runtime_for(identity, ears)
    task = asyncio.create_task(runtime.run())
    await ears.up.wait()
    times = []
    for number in range(SAMPLES):
        name = f"workspace-1-8-{identity.installation[-2:]}{number:04d}"
        began = time.monotonic()
        await runtime.start(wish(name), received=time.time())
        times.append(time.monotonic() - began)
        names.append(name)
        await asyncio.sleep(0.2)
    figures["apply_median_s"] = statistics.median(times)
    figures["apply_p95_s"] = statistics.quantiles(times, n=20)[-1]
    await end(task, runtime, backend)
    return figures


async def end(task: asyncio.Task[None], runtime: Runtime, backend: KubernetesBackend) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await runtime.close()
    await backend.close()


async def agent(kubeconfig: Path, installation: str, wishes: Path, report: Path) -> None:
    """The process that is measured: it has lost everything, and says what it knows until it is
    ended."""
    began = time.monotonic()
    backend = make_backend(kubeconfig, 50)
    fleet = Fleet(backend, AgentSettings(), SystemClock())
    fleet.introduce(Identity(installation, 1))
    wanted = msgspec.json.decode(wishes.read_bytes(), type=tuple[DesiredWorkspace, ...])  # noqa: ASYNC240
    fleet.snapshot(wanted)
    task = asyncio.create_task(fleet.run())
    knows = None
    while not task.done():
        known = sum(state == "Starting" for state in fleet.states.values())
        if knows is None and known == len(wanted) and backend.client.requests:
            knows = time.monotonic() - began
        written = sum(
            n
            for (verb, _, status), n in backend.client.requests.items()
            if verb in WRITES and status < 300
        )
        write_private(
            report, json.dumps({"cold_start_s": knows, "writes": written, "known": known})
        )
        await asyncio.sleep(0.5)
    task.result()


def measure(kubeconfig: Path, identity: Identity, names: list[str]) -> dict[str, float]:
    """Makes the workspaces `names`, and adds to that list."""
    figures = asyncio.run(populate(kubeconfig, identity, names))
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as folder:
        return figures | measure_agent(kubeconfig, identity.installation, names, Path(folder))


@contextlib.contextmanager
def halted(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def measure_agent(
    kubeconfig: Path, installation: str, names: list[str], folder: Path
) -> dict[str, float]:
    wishes, report = folder / "wishes", folder / "report"
    wishes.write_bytes(msgspec.json.encode([wish(name) for name in names]))
    process = subprocess.Popen(
        [sys.executable, __file__, "--agent", kubeconfig, installation, wishes, report]
    )
    try:
        deadline = time.monotonic() + 180
        while True:
            said = json.loads(report.read_text()) if report.exists() else {}
            if said.get("cold_start_s"):
                break
            assert process.poll() is None, "the agent ended"
            assert time.monotonic() < deadline, said
            time.sleep(0.5)
        before = cpu_seconds(process.pid)
        time.sleep(IDLE_SECONDS)
        idle = (cpu_seconds(process.pid) - before) / IDLE_SECONDS
        said = json.loads(report.read_text())
        status = Path(f"/proc/{process.pid}/status").read_text()
        memory = {
            line.split(":")[0]: line.split()[1]
            for line in status.splitlines()
            if line.startswith("Vm")
        }
        return {
            "cold_start_s": said["cold_start_s"],
            "cold_start_writes": said["writes"],
            "memory_mb": int(memory["VmRSS"]) / 1024,
            "memory_peak_mb": int(memory["VmHWM"]) / 1024,
            "idle_cpu_cores": idle,
        }
    finally:
        process.kill()
        process.wait()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def etcd(path: str, body: dict[str, object]) -> dict[str, object]:
    done = subprocess.run(
        ["curl", "-sf", f"http://127.0.0.1:2379/v3/{path}", "-d", json.dumps(body)],
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def etcd_size() -> int:
    """Bytes in use once history is forgotten."""
    header = etcd("kv/range", {"key": "AA=="})["header"]
    assert isinstance(header, dict)
    # nothing to forget since the last time
    with contextlib.suppress(subprocess.CalledProcessError):
        etcd("kv/compaction", {"revision": header["revision"], "physical": True})
    return int(str(etcd("maintenance/status", {})["dbSizeInUse"]))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workspaces", type=int, default=1000)
    parser.add_argument("--agent", nargs=4, type=str, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.agent:
        kubeconfig, installation, wishes, report = arguments.agent
        asyncio.run(agent(Path(kubeconfig), installation, Path(wishes), Path(report)))
        return 0
    cluster = clusters.chosen()
    cluster.up()
    identity = Identity(f"bench-{short_id()}", 1)
    names = [
        f"workspace-1-7-{identity.installation[-2:]}{number:04d}"
        for number in range(arguments.workspaces)
    ]
    try:
        if isinstance(cluster, clusters.OwnCluster):
            with halted(cluster.pid("controller-manager")):
                size = etcd_size()
                figures = measure(cluster.kubeconfig, identity, names)
                figures["etcd_kb_per_workspace"] = (etcd_size() - size) / len(names) / 1000
        else:
            try:
                figures = measure(cluster.kubeconfig, identity, names)
            finally:
                asyncio.run(accounts.remove_workspaces(cluster.kubeconfig, identity.installation))
    finally:
        cluster.down()
    print(f"{len(names)} workspaces")
    bad = 0
    for name, value in figures.items():
        limit = LIMITS.get(name)
        held = limit is None or value <= limit
        bad += not held
        print(
            f"  {name:24}{value:10.3f}"
            + (f"   limit {limit:g}" if limit is not None else "")
            + ("" if held else "   NOT HELD")
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
