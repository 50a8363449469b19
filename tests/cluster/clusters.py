"""The cluster that the tests run on: one node of this machine that they start, or one that a person
names.

    MOORAGE_TEST_CLUSTER        without it, a cluster is started and ended again; `keep`: it is left
                                up for the next run; `1`: the tests run on the one that KUBECONFIG
                                names, as its administrator
    MOORAGE_TEST_CLUSTER_LOAD   on a cluster that was named: the command that puts the images of an
                                archive onto its nodes, such as `kind load image-archive`; the
                                archive's path is appended

What reaches into the node (its containers, its processes, its loopback address, etcd) or changes
all of it takes a cluster of our own: such tests ask `own` for it, which leaves them out on one that
was named.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from cluster import accounts

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / "node/cluster"
FOLDER = Path(os.environ.get("KUBE_DIR", "/tmp/kube-cluster"))
CHOICE = "MOORAGE_TEST_CLUSTER"
LOAD = "MOORAGE_TEST_CLUSTER_LOAD"


class Cluster(Protocol):
    kubeconfig: Path
    """Of an administrator."""
    agent_kubeconfig: Path
    """Of a service account with the agent's rights and no others."""

    def up(self) -> None: ...
    def down(self) -> None: ...

    def load(self, *images: str) -> None:
        """Puts images of the Docker engine onto the nodes."""

    def address(self) -> str:
        """Where pods reach this machine."""

    def node_address(self) -> str:
        """Where this machine reaches ports of the nodes."""


def is_named() -> bool:
    """Whether the tests run on a cluster that a person named."""
    return os.environ.get(CHOICE) == "1"


def chosen() -> Cluster:
    """The cluster that the environment asks for; it need not be up."""
    return NamedCluster() if is_named() else OwnCluster()


def own(cluster: Cluster) -> OwnCluster:
    """That cluster, where the tests started it. On one that was named, the test that asks is
    skipped."""
    if isinstance(cluster, OwnCluster):
        return cluster
    pytest.skip("reaches into the node, or changes it: only on a cluster that the tests start")


class OwnCluster:
    """One node of this machine, by the script `node/cluster`."""

    def __init__(self) -> None:
        self.kubeconfig = FOLDER / "admin.conf"
        self.agent_kubeconfig = FOLDER / "agent.conf"
        self._keep = os.environ.get(CHOICE) == "keep"

    def up(self) -> None:
        if not (self._keep and self.kubeconfig.exists()):
            run(SCRIPT, "up")
        self.agent_kubeconfig.write_text(asyncio.run(accounts.make(self.kubeconfig)))

    def down(self) -> None:
        if not self._keep:
            run(SCRIPT, "down")

    def load(self, *images: str) -> None:
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                [SCRIPT, "load", "-"], stdin=saving.stdout, stdout=subprocess.DEVNULL, check=True
            )
        assert saving.returncode == 0, f"docker save {images} failed"

    def address(self) -> str:
        return run("hostname", "-I").split()[0]

    def node_address(self) -> str:
        return self.address()

    def end_container(self, namespace: str, container: str) -> None:
        """Kills what runs in a pod's container; the kubelet hears of it from containerd.

        Containers that have ended may be listed beside the one that runs; to kill them is refused.
        """
        of_pod = f'labels."io.kubernetes.pod.namespace"=={namespace}'
        listed = self._ctr(
            "containers", "ls", "-q", f'{of_pod},labels."io.kubernetes.container.name"=={container}'
        )
        answers = [
            self._ctr("tasks", "kill", "-s", "SIGKILL", found) for found in listed.stdout.split()
        ]
        assert any(answer.returncode == 0 for answer in answers), (
            f"no container {container} of {namespace} runs: {[listed, *answers]}"
        )

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ctr", "-a", str(FOLDER / "containerd.sock"), "-n", "k8s.io", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def pid(self, process: str) -> int:
        return int((FOLDER / "run" / f"{process}.pid").read_text())


class NamedCluster:
    """The one that KUBECONFIG names. It stays up; what the tests make on it carries an installation
    of its own, and is removed."""

    def __init__(self) -> None:
        named = os.environ.get("KUBECONFIG", "")
        assert named, (
            f"{CHOICE}=1 asks for the cluster that KUBECONFIG names, and KUBECONFIG is not set"
        )
        self.kubeconfig = Path(named)
        self._folder = TemporaryDirectory(prefix="moorage-test-cluster-")
        self.agent_kubeconfig = Path(self._folder.name) / "agent.conf"

    def up(self) -> None:
        self.agent_kubeconfig.write_text(asyncio.run(accounts.make(self.kubeconfig)))

    def down(self) -> None:
        asyncio.run(accounts.remove(self.kubeconfig))
        self._folder.cleanup()

    def load(self, *images: str) -> None:
        command = os.environ.get(LOAD, "")
        assert command, (
            f"{LOAD} is to say by which command images get onto the nodes of this cluster"
        )
        with TemporaryDirectory(prefix="moorage-images-") as folder:
            archive = Path(folder) / "images.tar"
            run("docker", "save", "-o", archive, *images)
            run(*shlex.split(command), archive)

    def address(self) -> str:
        return run("hostname", "-I").split()[0]

    def node_address(self) -> str:
        addresses = asyncio.run(accounts.node_addresses(self.kubeconfig))
        return addresses[0]


def run(*command: str | Path, check: bool = True) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, (
        f"{command}: {done.stdout[-1000:]} {done.stderr[-1000:]}"
    )
    return done.stdout.strip()
