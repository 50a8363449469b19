"""What the agent's account may be used for, where the cluster has ValidatingAdmissionPolicies."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest

from integration.chart.admission import AGENT, Admission
from integration.chart.rendering import Object, Rendered
from moorage.agent.runtimes.kubernetes.api.resources import GENERATED, POD
from moorage.agent.runtimes.kubernetes.cluster import abilities
from moorage.agent.runtimes.kubernetes.wanted import records
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.port import known_of
from unit.agent.runtimes.kubernetes.wanted.test_objects import CASES, plan_of

ALWAYS = {"agent": {"admissionPolicy": "always"}}
SERVED = ("--api-versions", "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy")
OURS = {"app.kubernetes.io/managed-by": "moorage"}
ENFORCED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
CASE = "everything"
NAME = plan_of(CASE).name
SHARED = plan_of("shared").namespace
NAMESPACES = {NAME: OURS | ENFORCED, "kube-system": {}, "team": OURS, SHARED: {}, "places": {}}


@functools.cache
def policies(*, escalation: bool = False) -> Admission:
    settings: Object = {"shared_namespaces": [SHARED], "accept_privilege_escalation": escalation}
    return Admission(
        Rendered({"agent": {"admissionPolicy": "always", "settings": settings}}),
        NAMESPACES | {plan_of(case).name: OURS | ENFORCED for case in cases()},
    )


def cases() -> list[str]:
    return sorted(folder.name for folder in CASES.iterdir())


def made(kind: str, case: str = CASE, *, namespace: str = "") -> Object:
    """The first of that kind that the agent makes; `namespace`: another one to be in."""
    found = copy.deepcopy(next(item for item in objects_of(plan_of(case)) if item["kind"] == kind))
    if namespace:
        found["metadata"]["namespace"] = namespace
    return found


def pod_of(item: Object) -> Object:
    spec: Object = item["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("case", cases())
def test_the_agent_may_make_what_it_makes(case: str) -> None:
    """Everything that the agent makes of a workspace and its settings may be made, changed and
    deleted."""
    plan = plan_of(case)
    admission = policies(escalation=plan.settings.allow_privilege_escalation)
    record = records.record(
        plan.name, known_of(plan.workspace, plan.identity.place), plan.identity, plan.namespace
    )
    for item in (*objects_of(plan), record):
        assert admission.write(item) == [], item["kind"]
        assert admission.write(item, item) == [], item["kind"]
        assert admission.write(None, item) == [], item["kind"]
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": f"{plan.name}-x",
            "namespace": plan.namespace,
            "labels": made("Deployment", case)["spec"]["template"]["metadata"]["labels"],
        },
    }
    assert admission.write(None, pod) == []
    assert admission.run_command(plan.namespace, f"{plan.name}-x") == []


def test_a_dry_run_is_free() -> None:
    """What the agent asks the cluster's abilities by may be tried, and not made."""
    probe = abilities.probe("places")
    assert policies().write(probe, dry_run=True) == []
    assert policies().write(probe) != []


def test_others_are_not_bounded() -> None:
    """The policies hold for the agent's account alone."""
    space = {"kind": "Namespace", "metadata": {"name": "anything"}}
    for user in ("admin", "system:serviceaccount:places:other", f"{AGENT}x", f"x{AGENT}"):
        assert policies().write(space, user=user) == []
    assert policies().write(space) != []


def test_every_write_is_looked_at() -> None:
    """Of every kind that the agent's rights let it write, some policy looks at every write."""
    for kind in (*GENERATED, POD):
        item: Object = {"kind": kind.name, "metadata": {"name": "x"}}
        if kind.namespaced:
            item["metadata"]["namespace"] = "kube-system"
        if kind.name == "Deployment":
            item["spec"] = {"template": {"spec": {"containers": []}}}
        if kind.name == "Service":
            item["spec"] = {}
        for new, old in ((item, None), (item, item), (None, item)):
            assert policies().write(new, old), kind.name


# --------------------------------------------------------------------------------------- namespaces
def space(name: str, **labels: str) -> Object:
    return {"kind": "Namespace", "metadata": {"name": name, "labels": labels}}


FOREIGN = space("kube-system", **{"kubernetes.io/metadata.name": "kube-system"})
OWN = space(NAME, **OURS, **ENFORCED)
DENIED_SPACES: list[tuple[str, Object | None, Object | None]] = [
    ("made under a name of its own", space("mine", **OURS, **ENFORCED), None),
    ("made under a longer name", space(f"{NAME}x", **OURS, **ENFORCED), None),
    ("made with a name in front", space(f"x{NAME}", **OURS, **ENFORCED), None),
    ("made without the label", space(NAME, **ENFORCED), None),
    ("made without labels", {"kind": "Namespace", "metadata": {"name": NAME}}, None),
    (
        "made with another's label",
        space(NAME, **{"app.kubernetes.io/managed-by": "Helm"}, **ENFORCED),
        None,
    ),
    ("made without Pod Security", space(NAME, **OURS), None),
    (
        "made privileged",
        space(NAME, **OURS, **ENFORCED | {next(iter(ENFORCED)): "privileged"}),
        None,
    ),
    (
        "made baseline, which nobody allowed",
        space(NAME, **OURS, **ENFORCED | {next(iter(ENFORCED)): "baseline"}),
        None,
    ),
    (
        "made under an old Pod Security",
        space(NAME, **OURS, **ENFORCED | {[*ENFORCED][1]: "v1.0"}),
        None,
    ),
    ("a foreign one labelled", space("kube-system", **OURS, **ENFORCED), FOREIGN),
    (
        "a foreign one without labels labelled",
        space("kube-system", **OURS, **ENFORCED),
        space("kube-system"),
    ),
    ("a foreign one with a workspace's name seized", OWN, space(NAME)),
    ("a foreign one changed", FOREIGN, FOREIGN),
    ("a foreign one deleted", None, FOREIGN),
    ("a labelled one without a workspace's name deleted", None, space("team", **OURS)),
    (
        "a labelled one without a workspace's name changed",
        space("team", **OURS, **ENFORCED),
        space("team", **OURS),
    ),
    ("its own opened", space(NAME, **OURS, **ENFORCED | {next(iter(ENFORCED)): "privileged"}), OWN),
    ("its own stripped of Pod Security", space(NAME, **OURS), OWN),
]


@pytest.mark.parametrize(
    ("new", "old"), [row[1:] for row in DENIED_SPACES], ids=[row[0] for row in DENIED_SPACES]
)
def test_no_namespace_but_a_workspaces(new: Object | None, old: Object | None) -> None:
    """No namespace is made, changed or deleted but one of a workspace, and none is made one."""
    assert policies().write(new, old)


def test_a_namespace_is_given_back() -> None:
    """A namespace that carries a workspace's label, but not its name, may be given back: without
    the label, it is nobody's."""
    assert policies().write(space("team"), space("team", **OURS)) == []


# -------------------------------------------------------------------------------- objects elsewhere
@pytest.mark.parametrize(
    "namespace", ["kube-system", "team", "places", "default", "workspace-1-1-abcdef"]
)
@pytest.mark.parametrize("kind", [kind.name for kind in GENERATED if kind.namespaced])
def test_nothing_is_written_elsewhere(kind: str, namespace: str) -> None:
    """No object, as right as it may be, is made, changed or deleted in a namespace that is no
    workspace's: neither in one that has only the label, nor in one that has only such a name."""
    item = made(kind, namespace=namespace)
    foreign = {**item, "metadata": {**item["metadata"], "labels": {}}}
    for new, old in ((item, None), (item, item), (item, foreign), (None, item), (None, foreign)):
        assert policies().write(new, old)


@pytest.mark.parametrize(
    "kind", ["Secret", "Deployment", "PersistentVolumeClaim", "Service", "ServiceAccount"]
)
def test_what_others_have_in_a_shared_namespace(kind: str) -> None:
    """In a namespace that workspaces share, what does not carry the agent's label is not changed,
    seized or deleted."""
    item = made(kind, namespace=SHARED)
    foreign = {**item, "metadata": {**item["metadata"], "labels": {"app": "theirs"}}}
    assert policies().write(item) == []
    for new, old in (
        (foreign, None),
        (item, foreign),
        (foreign, foreign),
        (foreign, item),
        (None, foreign),
    ):
        assert policies().write(new, old)


@pytest.mark.parametrize("kind", ["ResourceQuota", "LimitRange"])
def test_no_limits_over_a_shared_namespace(kind: str) -> None:
    """A quota would hold for all others in it, too."""
    item = made(kind, namespace=SHARED)
    assert policies().write(item)


def test_no_pod_of_others_is_deleted_or_entered() -> None:
    """Pods elsewhere, and those in a shared namespace that are no workspace's, are neither deleted
    nor entered."""
    for namespace, labels in (("kube-system", OURS), ("team", OURS), (SHARED, {"app": "theirs"})):
        pod = {"kind": "Pod", "metadata": {"name": "x", "namespace": namespace, "labels": labels}}
        assert policies().write(None, pod)
        assert policies().run_command(namespace, "x")
    assert policies().run_command("kube-system", f"{NAME}-x")


# ------------------------------------------------------------------------------------------- shapes
def put(*path: Any) -> Callable[[Object], None]:
    """Sets what the last word is at the path of the others, of the pod: of its first container
    after "c", "i": its first init container."""

    def change(item: Object) -> None:
        *way, last, value = path
        place: Any = pod_of(item)
        for word in way:
            place = {"c": lambda p: p["containers"][0], "i": lambda p: p["initContainers"][0]}.get(
                word, lambda p, word=word: p.setdefault(word, {})
            )(place)
        place[last] = value

    return change


def volume(**source: Any) -> Callable[[Object], None]:
    return lambda item: pod_of(item)["volumes"].append({"name": "more", **source})


def without(*path: str) -> Callable[[Object], None]:
    def change(item: Object) -> None:
        place: Any = pod_of(item)
        for word in path[:-1]:
            place = place["containers"][0] if word == "c" else place[word]
        del place[path[-1]]

    return change


def container(**body: Any) -> Callable[[Object], None]:
    return lambda item: pod_of(item)["containers"].append({"name": "more", "image": "x", **body})


DENIED_PODS: list[tuple[str, Callable[[Object], None]]] = [
    ("host path", volume(hostPath={"path": "/"})),
    (
        "projected token",
        volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
    ),
    ("NFS", volume(nfs={"server": "x", "path": "/"})),
    ("CSI", volume(csi={"driver": "x"})),
    ("generic ephemeral volume", volume(ephemeral={"volumeClaimTemplate": {}})),
    ("config map", volume(configMap={"name": "x"})),
    ("host network", put("hostNetwork", True)),
    ("host processes", put("hostPID", True)),
    ("host IPC", put("hostIPC", True)),
    ("host port", put("c", "ports", [{"containerPort": 80, "hostPort": 80}])),
    ("a node", put("nodeName", "control-plane")),
    ("a device", put("resourceClaims", [{"name": "gpu"}])),
    ("a system's priority", put("priorityClassName", "system-node-critical")),
    ("another service account", put("serviceAccountName", "default")),
    ("no service account", without("serviceAccountName")),
    ("a token", put("automountServiceAccountToken", True)),
    ("a token by default", without("automountServiceAccountToken")),
    ("root", put("securityContext", "runAsUser", 0)),
    ("perhaps root", put("securityContext", "runAsNonRoot", False)),
    ("perhaps root, unsaid", without("securityContext", "runAsNonRoot")),
    ("no security context", without("securityContext")),
    ("no seccomp", put("securityContext", "seccompProfile", {"type": "Unconfined"})),
    ("no seccomp, unsaid", without("securityContext", "seccompProfile")),
    (
        "sysctls",
        put("securityContext", "sysctls", [{"name": "kernel.shm_rmid_forced", "value": "0"}]),
    ),
    ("an SELinux type", put("securityContext", "seLinuxOptions", {"type": "spc_t"})),
    ("a host process of Windows", put("securityContext", "windowsOptions", {"hostProcess": True})),
    ("no AppArmor", put("securityContext", "appArmorProfile", {"type": "Unconfined"})),
    ("privileged", put("c", "securityContext", "privileged", True)),
    ("privileged init container", put("i", "securityContext", "privileged", True)),
    ("escalation", put("c", "securityContext", "allowPrivilegeEscalation", True)),
    ("escalation by default", without("c", "securityContext", "allowPrivilegeEscalation")),
    ("capability", put("c", "securityContext", "capabilities", "add", ["SYS_ADMIN"])),
    ("capabilities by default", without("c", "securityContext", "capabilities")),
    ("some capabilities", put("c", "securityContext", "capabilities", {"drop": ["KILL"]})),
    ("container as root", put("c", "securityContext", "runAsUser", 0)),
    ("container perhaps root", put("c", "securityContext", "runAsNonRoot", False)),
    (
        "container without seccomp",
        put("c", "securityContext", "seccompProfile", {"type": "Unconfined"}),
    ),
    (
        "container without AppArmor",
        put("c", "securityContext", "appArmorProfile", {"type": "Unconfined"}),
    ),
    (
        "container of an SELinux type",
        put("c", "securityContext", "seLinuxOptions", {"type": "spc_t"}),
    ),
    ("unmasked /proc", put("c", "securityContext", "procMount", "Unmasked")),
    ("a container without anything", container()),
    ("a privileged container more", container(securityContext={"privileged": True})),
    (
        "a request of the kubelet's",
        put("c", "startupProbe", {"httpGet": {"host": "169.254.169.254", "port": 80}}),
    ),
    ("a hook", put("c", "lifecycle", {"postStart": {"httpGet": {"host": "10.0.0.1", "port": 80}}})),
    ("a probe", put("c", "livenessProbe", {"tcpSocket": {"host": "10.0.0.1", "port": 80}})),
]


@pytest.mark.parametrize(
    "change", [row[1] for row in DENIED_PODS], ids=[row[0] for row in DENIED_PODS]
)
@pytest.mark.parametrize("namespace", [NAME, SHARED])
def test_no_other_pod_than_a_workspaces(namespace: str, change: Callable[[Object], None]) -> None:
    """A Deployment whose pod has more than a workspace's is neither made, nor is a right one
    changed so."""
    right = made("Deployment", namespace=namespace)
    pod_of(right).setdefault("initContainers", [copy.deepcopy(pod_of(right)["containers"][0])])
    assert policies().write(right) == []
    wrong = copy.deepcopy(right)
    change(wrong)
    assert policies().write(wrong)
    assert policies().write(wrong, right)


def test_what_somebody_else_changed_may_be_ended() -> None:
    """A Deployment to which somebody else gave more may be scaled down, mended and deleted by the
    agent."""
    right = made("Deployment")
    wrong = copy.deepcopy(right)
    pod_of(wrong)["hostNetwork"] = True
    scaled = copy.deepcopy(wrong)
    scaled["spec"]["replicas"] = 0
    assert policies().write(scaled, wrong) == []
    assert policies().write(right, wrong) == []
    assert policies().write(None, wrong) == []


def test_escalation_is_no_capability() -> None:
    """Where the agent's owner allows escalation, containers still are not privileged, and get no
    capabilities."""
    admission = policies(escalation=True)
    right = made("Deployment", "escalation")
    assert admission.write(right) == []
    assert policies().write(right)
    for change in (
        put("c", "securityContext", "privileged", True),
        put("c", "securityContext", "capabilities", {"add": ["SYS_ADMIN"]}),
        put("c", "securityContext", "runAsUser", 0),
        put("hostPID", True),
        volume(hostPath={"path": "/"}),
    ):
        wrong = copy.deepcopy(right)
        change(wrong)
        assert admission.write(wrong)


DENIED_PARTS: list[tuple[str, str, Object]] = [
    ("a token of a service account", "Secret", {"type": "kubernetes.io/service-account-token"}),
    ("a token for nodes", "Secret", {"type": "bootstrap.kubernetes.io/token"}),
    ("a service account with a token", "ServiceAccount", {"automountServiceAccountToken": True}),
    ("a port of the nodes", "Service", {"spec": {"type": "NodePort", "clusterIP": "None"}}),
    ("a load balancer", "Service", {"spec": {"type": "LoadBalancer"}}),
    ("another name", "Service", {"spec": {"type": "ExternalName", "externalName": "x"}}),
    ("an address of the cluster", "Service", {"spec": {"clusterIP": "10.96.0.1"}}),
    ("somebody's address", "Service", {"spec": {"clusterIP": "None", "externalIPs": ["8.8.8.8"]}}),
    ("somebody's volume", "PersistentVolumeClaim", {"spec": {"volumeName": "pv-1"}}),
    ("a selected volume", "PersistentVolumeClaim", {"spec": {"selector": {}}}),
    (
        "a copy of a volume",
        "PersistentVolumeClaim",
        {"spec": {"dataSource": {"kind": "VolumeSnapshot"}}},
    ),
    (
        "another copy of a volume",
        "PersistentVolumeClaim",
        {"spec": {"dataSourceRef": {"namespace": "x"}}},
    ),
    ("a policy for all pods", "NetworkPolicy", {"spec": {"podSelector": {}}}),
    (
        "a policy for others' pods",
        "NetworkPolicy",
        {"spec": {"podSelector": {"matchLabels": {"app": "db"}}}},
    ),
]


@pytest.mark.parametrize(
    ("kind", "wrong"), [row[1:] for row in DENIED_PARTS], ids=[row[0] for row in DENIED_PARTS]
)
def test_no_other_parts_than_a_workspaces(kind: str, wrong: Object) -> None:
    """What a workspace's other objects never are, they may not be made, nor changed to."""
    right = made(kind)
    item = {**right, **wrong}
    assert policies().write(right) == []
    assert policies().write(item)
    assert policies().write(item, right)


# ---------------------------------------------------------------------------------------- the chart
def test_where_the_cluster_has_them() -> None:
    """The policies come with clusters that have the kind, with `always`, and never with `never`;
    each is bound."""
    kinds = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    assert not Rendered().kinds() & kinds
    assert not Rendered({"agent": {"admissionPolicy": "never"}}, flags=SERVED).kinds() & kinds
    assert not Rendered({"agent": {"enabled": False, "admissionPolicy": "always"}}).kinds() & kinds
    for rendered in (Rendered(flags=SERVED), Rendered(ALWAYS)):
        policies, bindings = (rendered.names(kind) for kind in sorted(kinds))
        assert policies == bindings
        assert len(policies) == 5


def test_they_are_about_the_agents_own_account() -> None:
    """They name the account that the agent's pod runs under, whatever it is called."""
    given = {
        "agent": {"admissionPolicy": "always", "serviceAccount": {"create": False, "name": "mine"}}
    }
    rendered = Rendered(given)
    foreign = space("anything")
    admission = Admission(rendered, {})
    assert rendered.pod("agent")["serviceAccountName"] == "mine"
    assert admission.write(foreign, user="system:serviceaccount:places:mine")
    assert admission.write(foreign, user=AGENT) == []
