"""The kinds of objects that the agent deals with, and where the API server keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from moorage.agent.runtimes.kubernetes.api import model
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject
from moorage.kernel.errors import InvalidInput, Unavailable

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")
Object = dict[str, Any]
"""A Kubernetes object as the API server's JSON has it: to be sent, or compared with what is sent.
"""
T = TypeVar("T", bound=ClusterObject)


@dataclass(frozen=True)
class Kind(Generic[T]):
    name: str
    api: str
    """apiVersion."""
    plural: str
    namespaced: bool = True
    model: type[T] = ClusterObject  # type: ignore[assignment]
    """The type as which its objects are read."""

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of one object, of a namespace's, or of all. Raises `InvalidInput` for what is no
        object's name."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        if self.namespaced and namespace:
            root += f"/namespaces/{_segment(namespace)}"
        return f"{root}/{self.plural}" + (f"/{_segment(name)}" if name else "")

    def one(self, namespace: str, name: str) -> str:
        """The path of one object; never that of all, which no name would stand for. Raises
        `InvalidInput` as `path` does."""
        return f"{self.path(namespace)}/{_segment(name)}"

    def new(self, metadata: Object, **fields: object) -> Object:
        """An object to be sent."""
        return {"apiVersion": self.api, "kind": self.name, "metadata": metadata, **fields}

    def read(self, item: Object) -> T:
        """The parts of an object that the agent reads. Raises `Unavailable` when it is no object of
        this kind."""
        try:
            return msgspec.convert(item, self.model)
        except msgspec.ValidationError as error:
            raise self._unreadable(error) from error

    def decode(self, text: bytes) -> T:
        """The same, from JSON."""
        try:
            return msgspec.json.decode(text, type=self.model)
        except msgspec.DecodeError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"The cluster's API server sent a {self.name} that cannot be read: {error}.",
            code="cluster-answer-unreadable",
        )


def _segment(name: str) -> str:
    """The name as it is: it is one segment of a path, and must not become another path."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(
            f"{name[:100]!r} is no name of an object in a cluster.", code="object-name-invalid"
        )
    return name


NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False, model=model.Namespace)
NODE = Kind("Node", "v1", "nodes", namespaced=False, model=model.Node)
SERVICE_ACCOUNT = Kind("ServiceAccount", "v1", "serviceaccounts", model=model.ServiceAccount)
SECRET = Kind("Secret", "v1", "secrets", model=model.Secret)
VOLUME_CLAIM = Kind(
    "PersistentVolumeClaim", "v1", "persistentvolumeclaims", model=model.VolumeClaim
)
SERVICE = Kind("Service", "v1", "services", model=model.Service)
QUOTA = Kind("ResourceQuota", "v1", "resourcequotas", model=model.ResourceQuota)
LIMITS = Kind("LimitRange", "v1", "limitranges", model=model.LimitRange)
NETWORK_POLICY = Kind(
    "NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", model=model.NetworkPolicy
)
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments", model=model.Deployment)
POD = Kind("Pod", "v1", "pods", model=model.Pod)
EVENT = Kind("Event", "v1", "events", model=model.Event)

GENERATED: tuple[Kind[Any], ...] = (
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
"""The kinds that the agent makes, in the order of making."""

WATCHED: tuple[Kind[Any], ...] = (*GENERATED, POD)
BY_NAME: dict[str, Kind[Any]] = {kind.name: kind for kind in (*WATCHED, NODE, EVENT)}


def kind_of(item: Object | ClusterObject) -> Kind[Any]:
    """The kind of an object, as it is sent or as it is read."""
    return BY_NAME[item.kind if isinstance(item, ClusterObject) else item["kind"]]


def key_of(item: Object) -> tuple[str, str, str]:
    """(kind, namespace, name)."""
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace", ""), metadata["name"]


def read(item: Object) -> ClusterObject:
    """The parts of an object that the agent reads. Raises `Unavailable` as `Kind.read` does."""
    object_: ClusterObject = kind_of(item).read(item)
    return object_
