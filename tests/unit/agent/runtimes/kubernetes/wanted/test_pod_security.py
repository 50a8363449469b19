"""Every pod against the Pod Security Standards, profile `restricted`, as Kubernetes publishes them
(concepts/security/ pod-security-standards; `restricted` includes `baseline`). No cluster of the
tests enforces them: this is their table.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from unit.agent.runtimes.kubernetes.wanted.test_objects import CASES, plan_of

SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",  # since 1.33, which is before any API server offers it unasked
    "persistentVolumeClaim",
    "projected",
    "secret",
}
C = "spec.containers[*]."
S = "securityContext."


def one_of(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


ABSENT = one_of(None, False)
BASELINE: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("HostProcess", f"spec.{S}windowsOptions.hostProcess", ABSENT),
    ("HostProcess", f"{C}{S}windowsOptions.hostProcess", ABSENT),
    ("Host namespaces", "spec.hostNetwork", ABSENT),
    ("Host namespaces", "spec.hostPID", ABSENT),
    ("Host namespaces", "spec.hostIPC", ABSENT),
    ("Privileged containers", f"{C}{S}privileged", ABSENT),
    ("HostPath volumes", "spec.volumes[*].hostPath", one_of(None)),
    ("Host ports", f"{C}ports[*].hostPort", one_of(None, 0)),
    *(
        ("Host probes and lifecycle hooks", f"{C}{where}.{how}.host", one_of(None, ""))
        for where in (
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle.postStart",
            "lifecycle.preStop",
        )
        for how in ("httpGet", "tcpSocket")
    ),
    *(
        ("AppArmor", f"{at}{S}appArmorProfile.type", one_of(None, "RuntimeDefault", "Localhost"))
        for at in ("spec.", C)
    ),
    *(
        (
            "SELinux",
            f"{at}{S}seLinuxOptions.type",
            one_of(
                None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"
            ),
        )
        for at in ("spec.", C)
    ),
    *(
        ("SELinux", f"{at}{S}seLinuxOptions.{field}", one_of(None, ""))
        for at in ("spec.", C)
        for field in ("user", "role")
    ),
    ("/proc mount type", f"{C}{S}procMount", one_of(None, "Default")),
    ("Sysctls", f"spec.{S}sysctls[*].name", lambda value: value is None or value in SYSCTLS),
]
RESTRICTED: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("Volume types", "spec.volumes[*]", lambda volume: volume.keys() - {"name"} <= VOLUMES),
    ("Privilege escalation", f"{C}{S}allowPrivilegeEscalation", one_of(False)),
    ("Running as non-root", f"{C}{S}runAsNonRoot", one_of(None, True)),
    ("Running as non-root", f"spec.{S}runAsNonRoot", one_of(True)),
    ("Running as non-root user", f"spec.{S}runAsUser", lambda user: user != 0),
    ("Running as non-root user", f"{C}{S}runAsUser", lambda user: user != 0),
    ("Seccomp", f"spec.{S}seccompProfile.type", one_of("RuntimeDefault", "Localhost")),
    ("Seccomp", f"{C}{S}seccompProfile.type", one_of(None, "RuntimeDefault", "Localhost")),
    ("Capabilities", f"{C}{S}capabilities.drop", lambda names: "ALL" in (names or ())),
    (
        "Capabilities",
        f"{C}{S}capabilities.add",
        lambda names: set(names or ()) <= {"NET_BIND_SERVICE"},
    ),
]
RULES = [*BASELINE, *RESTRICTED]


def values(at: Any, path: list[str]) -> Iterator[Any]:
    """All that stands at the path; None where nothing does."""
    if not path:
        yield at
        return
    name = path[0].removesuffix("[*]")
    inner = (at or {}).get(name)
    if path[0].endswith("[*]"):
        for item in inner or ():
            yield from values(item, path[1:])
    else:
        yield from values(inner, path[1:])


def violations(template: dict[str, Any]) -> list[str]:
    pod = copy.deepcopy(template)
    spec = pod["spec"]
    # The rules say the same of init containers and ephemeral ones.
    spec["containers"] += [*spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]
    found = [
        f"{control}: {path}"
        for control, path, allowed in RULES
        for value in values(pod, path.split("."))
        if not allowed(value)
    ]
    for name, value in (pod["metadata"].get("annotations") or {}).items():
        confined = value in ("", "runtime/default") or value.startswith("localhost/")
        if name.startswith("container.apparmor.security.beta.kubernetes.io/") and not confined:
            found.append(f"AppArmor: {name}")
    return found


def template_of(case: str) -> dict[str, Any]:
    template: dict[str, Any] = objects_of(plan_of(case))[-1]["spec"]["template"]
    return template


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_passes_restricted(case: str) -> None:
    """The pod violates no rule, unless the settings allow privilege escalation: then the devfile's
    containers may, with the capabilities that a runtime gives of itself, and that is all."""
    expected = []
    if plan_of(case).settings.allow_privilege_escalation:
        containers = len(plan_of(case).spec.containers) + len(plan_of(case).spec.init_containers)
        expected = [
            *["Privilege escalation: spec.containers[*].securityContext.allowPrivilegeEscalation"]
            * containers,
            *["Capabilities: spec.containers[*].securityContext.capabilities.drop"] * containers,
        ]
    assert violations(template_of(case)) == expected


@pytest.mark.parametrize("case", sorted(folder.name for folder in CASES.iterdir()))
def test_the_namespace_enforces_it(case: str) -> None:
    """The namespace's label asks the cluster to enforce the same: `baseline` where escalation is
    allowed."""
    plan = plan_of(case)
    for item in objects_of(plan):
        if item["kind"] == "Namespace":
            level = "baseline" if plan.settings.allow_privilege_escalation else "restricted"
            assert item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == level


@pytest.mark.parametrize(
    ("where", "field", "value", "control"),
    [
        ("spec", "hostNetwork", True, "Host namespaces"),
        ("spec", "hostPID", True, "Host namespaces"),
        ("volumes", "hostPath", {"path": "/"}, "HostPath volumes"),
        ("volumes", "nfs", {"server": "x"}, "Volume types"),
        ("ports", "hostPort", 80, "Host ports"),
        ("security", "privileged", True, "Privileged containers"),
        ("security", "allowPrivilegeEscalation", True, "Privilege escalation"),
        ("security", "allowPrivilegeEscalation", None, "Privilege escalation"),
        ("security", "capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}, "Capabilities"),
        ("security", "capabilities", {"drop": ["NET_RAW"]}, "Capabilities"),
        ("security", "runAsUser", 0, "Running as non-root user"),
        ("security", "procMount", "Unmasked", "/proc mount type"),
        ("security", "seccompProfile", {"type": "Unconfined"}, "Seccomp"),
        ("pod security", "runAsNonRoot", None, "Running as non-root"),
        ("pod security", "seccompProfile", {}, "Seccomp"),
        ("pod security", "sysctls", [{"name": "kernel.msgmax", "value": "1"}], "Sysctls"),
    ],
)
def test_the_rules_bite(where: str, field: str, value: object, control: str) -> None:
    """Each rule refuses what it is there for."""
    template = template_of("plain")
    spec = template["spec"]
    at = {
        "spec": spec,
        "volumes": spec["volumes"][0],
        "security": spec["initContainers"][0]["securityContext"],
        "pod security": spec["securityContext"],
        "ports": spec["containers"][0].setdefault("ports", [{"containerPort": 80}])[0],
    }[where]
    at[field] = value
    assert any(found.startswith(control) for found in violations(template))


def test_a_devfile_cannot_unset_them() -> None:
    """Annotations that a cluster acts on have no effect when a spec brings them: an agent does not
    rely on its server."""
    plan = plan_of("plain")
    name = f"container.apparmor.security.beta.kubernetes.io/{plan.spec.main_container}"
    asked = {name: "unconfined", "example.com/kept": "1"}
    containers = tuple(msgspec.structs.replace(c, annotations=asked) for c in plan.spec.containers)
    spec = msgspec.structs.replace(plan.spec, containers=containers)
    workspace = msgspec.structs.replace(plan.workspace, spec=spec)
    template = objects_of(msgspec.structs.replace(plan, workspace=workspace))[-1]["spec"][
        "template"
    ]
    assert violations(template) == []
    assert template["metadata"]["annotations"]["example.com/kept"] == "1"
