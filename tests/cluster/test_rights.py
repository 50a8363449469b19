"""What the agent's account may do, by the API server's own word, and an agent whose rights are
those of one namespace."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cluster import accounts
from cluster.worlds import KubernetesWorld
from integration.runtimes.worlds import Agent, desired_of
from moorage.agent.runtimes.kubernetes.api import access, resources
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import Kind
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend
from moorage.kernel.clock import SystemClock

REVIEW = Kind(
    "SelfSubjectAccessReview",
    "authorization.k8s.io/v1",
    "selfsubjectaccessreviews",
    namespaced=False,
)
RBAC = "rbac.authorization.k8s.io"
NOWHERE: list[tuple[str, str, str]] = [
    ("*", "*", "*"),
    ("create", "", "pods"),
    ("patch", "", "pods"),
    ("create", "", "pods/ephemeralcontainers"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods/attach"),
    ("create", "", "serviceaccounts/token"),
    ("impersonate", "", "serviceaccounts"),
    ("impersonate", "", "users"),
    ("impersonate", "", "groups"),
    ("deletecollection", "", "secrets"),
    ("deletecollection", "", "namespaces"),
    ("update", "", "secrets"),
    ("get", "", "configmaps"),
    ("list", "", "configmaps"),
    ("get", "", "nodes"),
    ("patch", "", "nodes"),
    ("get", "", "nodes/proxy"),
    ("create", "", "persistentvolumes"),
    ("update", "", "namespaces/finalize"),
    ("create", "apps", "daemonsets"),
    ("create", "apps", "statefulsets"),
    ("patch", "apps", "deployments/scale"),
    ("create", "batch", "jobs"),
    ("escalate", RBAC, "clusterroles"),
    ("bind", RBAC, "clusterroles"),
    ("create", RBAC, "rolebindings"),
    ("create", RBAC, "clusterrolebindings"),
    ("get", RBAC, "clusterroles"),
    ("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("create", "certificates.k8s.io", "certificatesigningrequests"),
]
"""(verb, group, resource): what opens a cluster, or is nothing of the agent's."""
ELSEWHERE: list[tuple[str, str, str]] = [
    ("get", "", "secrets"),
    ("list", "", "secrets"),
    ("create", "", "secrets"),
    ("create", "", "serviceaccounts"),
    ("create", "apps", "deployments"),
    ("patch", "apps", "deployments"),
    ("create", "", "pods/exec"),
    ("get", "", "pods/exec"),
    ("get", "", "pods/log"),
    ("list", "", "pods"),
    ("delete", "", "pods"),
    ("list", "", "events"),
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("list", "", "namespaces"),
]
"""What an agent whose workspaces share a namespace may not do outside of it."""


async def can(client: Client, verb: str, group: str, resource: str, namespace: str = "") -> bool:
    """As `kubectl auth can-i`, of the client's own account; `namespace` "": in all."""
    what, _, part = resource.partition("/")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": what,
        "subresource": part,
        "namespace": namespace,
    }
    body = {
        "apiVersion": REVIEW.api,
        "kind": REVIEW.name,
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client._json(
        "create", REVIEW, REVIEW.path(), method="POST", body=body, content="application/json"
    )
    return bool(answer["status"]["allowed"])


async def test_what_the_agent_may_not_do(world: KubernetesWorld) -> None:
    """Nowhere in the cluster the agent's account may do what gives it more rights, starts pods by
    another way, or is none of its work; of single Secrets, it reads none but where it is given
    that."""
    async with Client(world.access, TokenBucket(100, 100, SystemClock())) as client:
        for question in [*NOWHERE, ("get", "", "secrets")]:
            for namespace in ("", "kube-system"):
                assert not await can(client, *question, namespace), (question, namespace)
        assert await can(client, "create", "apps", "deployments", "kube-system"), (
            "nothing is allowed at all"
        )


async def test_an_agent_with_rights_in_one_namespace(
    world: KubernetesWorld, tmp_path: Path
) -> None:
    """Under a Role in the namespace that workspaces share, an agent starts, stops, starts and
    removes them, and may do nothing in any other."""
    shared = f"only-{world.identity.installation}"
    await world.client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shared}}
    )
    account = f"moorage-test-{shared}"
    kubeconfig = tmp_path / "only.conf"
    kubeconfig.write_text(await accounts.make(world.cluster.kubeconfig, account, only=shared))
    own = access.from_kubeconfig(kubeconfig)
    options = msgspec.structs.replace(world.options, only_namespace=shared)
    settings = msgspec.structs.replace(world.settings, shared_namespace=shared)
    agent = Agent(KubernetesBackend(own, options, settings, SystemClock()), world.identity)
    world._agents.append(agent)
    try:
        async with Client(own, TokenBucket(100, 100, SystemClock())) as client:
            for question in [*NOWHERE, *ELSEWHERE]:
                for namespace in ("", "default", "kube-system"):
                    assert not await can(client, *question, namespace), (question, namespace)
            for question in NOWHERE:
                assert not await can(client, *question, shared), question
        desired = desired_of(world)
        assert (await agent.start(desired)).ready
        assert (await world.only(resources.DEPLOYMENT, desired.name))["metadata"][
            "namespace"
        ] == shared
        await agent.runtime.stop(desired.name)
        assert (await agent.start(desired)).ready
        await agent.runtime.remove(desired.name)
        assert await world.everything() == []
    finally:
        await world.client.delete(resources.NAMESPACE, "", shared)
        for kind in (accounts.BINDING, accounts.ROLE):
            await world.client.delete(kind, "", account)
        await world.client.delete(resources.SERVICE_ACCOUNT, accounts.NAMESPACE, account)
