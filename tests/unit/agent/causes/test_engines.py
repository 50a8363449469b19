"""An engine's refusals, and the causes that they become."""

from __future__ import annotations

import pytest

from moorage.agent import causes

ENGINES = [
    (500, "write /var/lib/docker/x: no space left on device", "no-space", True),
    (500, "failed to create shim task: inotify_add_watch: no space left on device", "file-watchers-exhausted", False),
    (400, 'OCI runtime create failed: exec: "/nope": stat /nope: no such file or directory: unknown', "command-not-found", True),
    (400, 'exec: "/data": permission denied: unknown', "command-not-executable", True),
    (400, "standard_init_linux.go:228: exec user process caused: exec format error", "wrong-architecture", True),
    (400, "invalid mount config for type \"volume\": mount path must be absolute", "mount-invalid", True),
    (400, "Duplicate mount point: /projects", "engine-refused", True),
    (409, "cannot join network of a non running container: w.sandbox", "network-gone", False),
    (400, "namespace path: lstat /proc/1/ns/net: no such file or directory: unknown", "network-gone", False),
    (400, "network w is ambiguous (2 matches found on name)", "engine-refused", False),
    # containerd and CRI-O, by a kubelet
    (400, 'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start '
     'container process: exec: "nope": executable file not found in $PATH: unknown', "command-not-found", True),
    (400, "container create failed: executable file `nope` not found in $PATH: No such file or directory", "command-not-found", True),
    (400, "container create failed: open executable: Permission denied", "command-not-executable", True),
    (400, 'OCI runtime create failed: runc create failed: unable to start container process: exec: "/data": permission denied', "command-not-executable", True),
    (400, "exec container process `/bin/app`: Exec format error", "wrong-architecture", True),
    (400, "context deadline exceeded", "engine-refused", False),
    (400, 'failed to reserve container name "main_x_0": name "main_x_0" is reserved for "abc"', "engine-refused", False),
    (400, "the container name \"k8s_main\" is already in use by abc. You have to remove that container", "engine-refused", False),
    (400, 'secret "env-py" not found', "engine-refused", False),
    (500, "driver failed programming external connectivity", "engine-refused", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "message", "code", "final"), ENGINES)
def test_engines(status: int, message: str, code: str, final: bool) -> None:
    """An engine's refusal is told apart where it can be; what is wrong with the request itself is
    final."""
    verdict = causes.of_engine("starting container py", status, message)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert message in verdict.cause.detail


def test_engine_without_permission() -> None:
    """An engine that may not be asked gets a hint about permission."""
    cause = causes.engine_unreachable("unix:///run/docker.sock", "Permission denied").cause
    assert "group docker" in cause.hint
