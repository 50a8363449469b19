"""What a workspace's first container on Kubernetes makes of its user namespace, in real ones of
this kernel's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from moorage.agent.runtimes.kubernetes.wanted.sandbox import MAPPED


def run_with(user_map: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The check, in a user namespace with that map; "": in this process's own."""
    gate = folder / "gate"
    script = f"until [ -e {gate} ]; do sleep 0.02; done; {MAPPED}"
    namespace = ["unshare", "--user"] if user_map else []
    with subprocess.Popen(
        [*namespace, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        if user_map:
            wait_for_namespace(process.pid)
            Path(f"/proc/{process.pid}/uid_map").write_text(user_map)
        gate.touch()
        said, _ = process.communicate(timeout=20)
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def wait_for_namespace(pid: int) -> None:
    """Until the process has left this one's user namespace."""
    own = Path("/proc/self/ns/user").readlink()
    while Path(f"/proc/{pid}/ns/user").readlink() == own:
        pass


@pytest.mark.parametrize(
    ("user_map", "code"),
    [("0 100000 65536", 0), ("0 0 65536", 78), ("", 78)],
)
def test_the_map_of_users(tmp_path: Path, user_map: str, code: int) -> None:
    """Root in the pod must be somebody else on the node: the node's own map, or one that leaves
    root where it is, ends it."""
    done = run_with(user_map, tmp_path)
    assert done.returncode == code, done.stdout
    assert ("no-user-namespace" in done.stdout) == (code != 0)
