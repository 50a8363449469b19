"""The kinds of objects that the agent deals with, and where the API server keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from moorage.kernel.errors import InvalidInput

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")
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
        """The path of one object, of a namespace's, or of all. Raises `InvalidInput` for what is no object's name."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        if self.namespaced and namespace:
            root += f"/namespaces/{_segment(namespace)}"
        return f"{root}/{self.plural}" + (f"/{_segment(name)}" if name else "")

    def one(self, namespace: str, name: str) -> str:
        """The path of one object; never that of all, which no name would stand for. Raises `InvalidInput` as `path` does."""
        return f"{self.path(namespace)}/{_segment(name)}"


def _segment(name: str) -> str:
    """The name as it is: it is one segment of a path, and must not become another path."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(
            f"{name[:100]!r} is no name of an object in a cluster.", code="object-name-invalid"
        )
    return name


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
