"""A one-node cluster for tests, by the scripts beside this repository, or one that stands already.

`MOORAGE_TEST_CLUSTER=keep`: leave it up afterwards (and take it as it is, when it is up), for working on the tests.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from pathlib import Path

from cluster import accounts

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT.parent / "shared/kube/cluster"
FOLDER = Path(os.environ.get("KUBE_DIR", "/tmp/kube-cluster"))
VOLUMES = Path("/tmp/hostpath_pv")
"""Where Kubernetes' own host-path provisioner, which is for tests, makes its volumes."""


class Cluster:
    def __init__(self) -> None:
        self.kubeconfig = FOLDER / "admin.conf"
        self.agent_kubeconfig = FOLDER / "agent.conf"
        """Of a service account with the agent's rights and no others."""
        self._keep = os.environ.get("MOORAGE_TEST_CLUSTER") == "keep"
        self._ended = threading.Event()
        self._volumes = threading.Thread(target=self._open_volumes, daemon=True)

    def up(self) -> None:
        assert SCRIPT.exists(), f"there is no {SCRIPT}, which starts a cluster"
        if not (self._keep and self.kubeconfig.exists()):
            run(SCRIPT, "up")
        self.agent_kubeconfig.write_text(asyncio.run(accounts.make(self.kubeconfig)))
        self._volumes.start()

    def down(self) -> None:
        self._ended.set()
        self._volumes.join()
        if not self._keep:
            run(SCRIPT, "down")

    def load(self, *images: str, folder: Path) -> None:
        """Images of the Docker engine, onto the node."""
        archive = folder / "images.tar"
        run("docker", "save", "-o", archive, *images)
        run(SCRIPT, "load", archive)
        archive.unlink()

    def ctr(self, *arguments: str) -> str:
        return run("ctr", "-a", FOLDER / "containerd.sock", "-n", "k8s.io", *arguments)

    def end_container(self, container_id: str) -> None:
        """Kills what runs in it; the kubelet hears of it from containerd."""
        self.ctr("tasks", "kill", "-s", "SIGKILL", container_id)

    def address(self) -> str:
        """Where pods reach this machine."""
        return run("hostname", "-I").split()[0]

    def pid(self, process: str) -> int:
        return int((FOLDER / "run" / f"{process}.pid").read_text())

    def _open_volumes(self) -> None:
        """Real provisioners heed `fsGroup`; the host-path one does not, and makes folders that only root can write to."""
        seen: set[Path] = set()
        while not self._ended.wait(0.05):
            if VOLUMES.exists():
                for folder in set(VOLUMES.iterdir()) - seen:
                    folder.chmod(0o2777)
                    seen.add(folder)


def run(*command: str | Path, check: bool = True) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{command}: {done.stdout[-1000:]} {done.stderr[-1000:]}"
    return done.stdout.strip()
