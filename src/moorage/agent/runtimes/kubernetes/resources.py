"""The kinds of objects that the agent deals with, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Object = dict[str, Any]
"""A Kubernetes object as the API server's JSON has it."""


@dataclass(frozen=True)
class Kind:
    name: str
    api: str
    """apiVersion."""
    plural: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of one object, of a namespace's, or of all."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        if self.namespaced and namespace:
            root += f"/namespaces/{quote(namespace, safe='')}"
        return f"{root}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "")


NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False)
NODE = Kind("Node", "v1", "nodes", namespaced=False)
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts")
SECRET = Kind("Secret", "v1", "secrets")
VOLUME_CLAIM = Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims")
SERVICE = Kind("Service", "v1", "services")
QUOTA = Kind("ResourceQuota", "v1", "resourcequotas")
LIMITS = Kind("LimitRange", "v1", "limitranges")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
POD = Kind("Pod", "v1", "pods")
EVENT = Kind("Event", "v1", "events")

GENERATED = (
    NAMESPACE,
    SERVICE_ACCOUNT,
    SECRET,
    QUOTA,
    LIMITS,
    NETWORK_POLICY,
    VOLUME_CLAIM,
    SERVICE,
    DEPLOYMENT,
)
"""What the agent makes, in the order of making."""

WATCHED = (*GENERATED, POD)
BY_NAME = {kind.name: kind for kind in (*WATCHED, NODE, EVENT)}


def kind_of(item: Object) -> Kind:
    return BY_NAME[item["kind"]]


def key_of(item: Object) -> tuple[str, str, str]:
    """(kind, namespace, name)."""
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]
