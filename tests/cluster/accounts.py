"""The account under which the tests run the agent: a service account with exactly the rights that
it says it needs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from moorage.agent.runtimes.kubernetes.api import access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import BY_NAME, Kind
from moorage.agent.runtimes.kubernetes.cluster import rights
from moorage.agent.runtimes.ownership import INSTALLATION
from moorage.kernel.clock import SystemClock

NAME = "moorage-test-agent"
NAMESPACE = "default"
ROLE = Kind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False)
BINDING = Kind(
    "ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False
)
LOCAL_ROLE = Kind("Role", "rbac.authorization.k8s.io/v1", "roles")
LOCAL_BINDING = Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings")
TOKEN = Kind("TokenRequest", "authentication.k8s.io/v1", "tokenrequests")


async def make(kubeconfig: Path, name: str = NAME, *, only: str = "") -> str:
    """Makes the account, as the administrator of `kubeconfig` → its own kubeconfig. `only`: the
    namespace that all its workspaces share."""
    admin = access.from_kubeconfig(kubeconfig)
    async with Client(admin, TokenBucket(100, 100, SystemClock())) as client:
        await put(
            client, BY_NAME["ServiceAccount"], {"metadata": {"name": name, "namespace": NAMESPACE}}
        )
        await put(client, ROLE, rights.cluster_role(name, shared=bool(only)))
        await put(client, BINDING, _binding("ClusterRole", name))
        if only:
            await put(client, LOCAL_ROLE, rights.workspaces_role(name, only))
            await put(client, LOCAL_BINDING, _binding("Role", name, only))
        else:
            await read_pull_secrets(client, NAMESPACE)
        asked = {
            "apiVersion": TOKEN.api,
            "kind": TOKEN.name,
            "spec": {"expirationSeconds": 24 * 3600},
        }
        path = BY_NAME["ServiceAccount"].path(NAMESPACE, name) + "/token"
        answer = await client._json(
            "create", TOKEN, path, method="POST", body=asked, content="application/json"
        )
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "agent",
        "clusters": [
            {
                "name": "tests",
                "cluster": {
                    "server": admin.server,
                    "certificate-authority-data": base64.b64encode(admin.ca.encode()).decode(),
                },
            }
        ],
        "users": [{"name": "agent", "user": {"token": answer["status"]["token"]}}],
        "contexts": [{"name": "agent", "context": {"cluster": "tests", "user": "agent"}}],
    }
    return yaml.safe_dump(document)


async def remove(kubeconfig: Path) -> None:
    """Takes away what `make` made for all workspaces, as the administrator of `kubeconfig`."""
    async with Client(
        access.from_kubeconfig(kubeconfig), TokenBucket(100, 100, SystemClock())
    ) as client:
        for kind in (BINDING, ROLE):
            await client.delete(kind, "", NAME)
        for kind in (LOCAL_BINDING, LOCAL_ROLE):
            await client.delete(kind, NAMESPACE, f"{NAME}-pull")
        await client.delete(BY_NAME["ServiceAccount"], NAMESPACE, NAME)


async def remove_workspaces(kubeconfig: Path, installation: str) -> None:
    """Deletes the namespaces of an installation's workspaces, with all that is in them."""
    async with Client(
        access.from_kubeconfig(kubeconfig), TokenBucket(100, 100, SystemClock())
    ) as client:
        for item in await client.list_all(
            BY_NAME["Namespace"], labels=f"{INSTALLATION}={installation}"
        ):
            await client.delete(BY_NAME["Namespace"], "", item["metadata"]["name"])


async def node_addresses(kubeconfig: Path) -> list[str]:
    """The addresses of the cluster's nodes within its network."""
    async with Client(
        access.from_kubeconfig(kubeconfig), TokenBucket(100, 100, SystemClock())
    ) as client:
        return [
            address["address"]
            for node in await client.list_all(BY_NAME["Node"])
            for address in node["status"]["addresses"]
            if address["type"] == "InternalIP"
        ]


async def read_pull_secrets(client: Client, namespace: str) -> None:
    """Gives the account what the chart gives it where sources of image pull secrets lie. `client`:
    an administrator's."""
    name = f"{NAME}-pull"
    await put(client, LOCAL_ROLE, rights.sources_role(name, namespace))
    await put(client, LOCAL_BINDING, _binding("Role", name, namespace))


def _binding(kind: str, role: str, namespace: str = "") -> dict[str, Any]:
    account = role.removesuffix("-pull")
    return {
        "metadata": {"name": role} | ({"namespace": namespace} if namespace else {}),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}],
    }


async def put(client: Client, kind: Kind, item: dict[str, Any]) -> None:
    """As `kubectl apply` would, of any kind: what was there before is what it should be
    afterwards."""
    body = {"apiVersion": kind.api, "kind": kind.name, **item}
    metadata = item["metadata"]
    await client._json(
        "apply",
        kind,
        kind.path(metadata.get("namespace", ""), metadata["name"]),
        {"fieldManager": "tests", "force": "true"},
        method="PATCH",
        body=body,
        content="application/apply-patch+yaml",
    )
