"""The account under which the tests run the agent: a service account with exactly the rights that it says it needs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from moorage.agent.runtimes.kubernetes import access, rights
from moorage.agent.runtimes.kubernetes.client import Client
from moorage.agent.runtimes.kubernetes.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.resources import BY_NAME, Kind
from moorage.kernel.clock import SystemClock

NAME = "moorage-test-agent"
NAMESPACE = "default"
ROLE = Kind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False)
BINDING = Kind("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False)
TOKEN = Kind("TokenRequest", "authentication.k8s.io/v1", "tokenrequests")


async def make(kubeconfig: Path) -> str:
    """Makes the account, as the administrator of `kubeconfig` → its own kubeconfig."""
    admin = access.from_kubeconfig(kubeconfig)
    async with Client(admin, TokenBucket(100, 100, SystemClock())) as client:
        account = {"metadata": {"name": NAME, "namespace": NAMESPACE}}
        await put(client, BY_NAME["ServiceAccount"], account)
        await put(client, ROLE, rights.cluster_role(NAME))
        binding = {
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        }
        await put(client, BINDING, binding)
        asked = {"apiVersion": TOKEN.api, "kind": TOKEN.name, "spec": {"expirationSeconds": 24 * 3600}}
        path = BY_NAME["ServiceAccount"].path(NAMESPACE, NAME) + "/token"
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


async def put(client: Client, kind: Kind, item: dict[str, Any]) -> None:
    """As `kubectl apply` would, of any kind: what was there before is what it should be afterwards."""
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
