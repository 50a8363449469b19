"""The rights of the agent in its cluster: the least that it needs, in one place. Pure.

The roles in the documentation and those of the chart are held against this table by tests, and the
cluster's tests run the agent under it. Where each workspace has a namespace of its own, watches go
over all namespaces, and no Role of a single one is enough: RBAC knows neither labels nor patterns
of names. The chart's ValidatingAdmissionPolicies say what these rights must not be used for. Where
all workspaces share a namespace (`only_namespace` under `[agent]`), a Role in it is enough.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes.api.resources import GENERATED, Kind

MAKES = ("create", "delete", "list", "patch", "watch")
"""The verbs for kinds that the agent makes.

Server-side apply is a `patch`, and a `create` where there was nothing.
"""


class Place(Enum):
    """The place where a right is needed."""

    CLUSTER = "the whole cluster"
    OWN_NAMESPACES = "the whole cluster, unless workspaces share a namespace"
    WORKSPACES = "where workspaces are"
    SOURCES = "where the sources of image pull secrets lie"


class Rule(msgspec.Struct, frozen=True):
    """As `PolicyRule` of rbac.authorization.k8s.io/v1."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    place: Place = Place.WORKSPACES


def _made(group: str) -> tuple[str, ...]:
    return tuple(
        sorted(kind.plural for kind in GENERATED if group_of(kind) == group and kind.namespaced)
    )


def group_of(kind: Kind[Any]) -> str:
    """The API group; "": the core's."""
    return kind.api.rpartition("/")[0]


RULES = (
    Rule("", ("namespaces",), MAKES, Place.OWN_NAMESPACES),
    Rule("", _made(""), MAKES),
    Rule("apps", _made("apps"), MAKES),
    Rule("networking.k8s.io", _made("networking.k8s.io"), MAKES),
    # A pod whose node gave it up stays until somebody removes it.
    Rule("", ("pods",), ("delete", "list", "watch")),
    Rule("", ("pods/log",), ("get",)),
    # A command over a WebSocket is a `get` up to Kubernetes 1.34, and a `create` since.
    Rule("", ("pods/exec",), ("create", "get")),
    Rule("", ("events",), ("list",)),
    Rule("", ("nodes",), ("list",), Place.CLUSTER),
    Rule("", ("secrets",), ("get",), Place.SOURCES),
)


def cluster_role(name: str, *, shared: bool = False) -> dict[str, Any]:
    """`shared`: all workspaces are in one namespace, and what is done there is a Role's."""
    places = {Place.CLUSTER} if shared else {Place.CLUSTER, Place.OWN_NAMESPACES, Place.WORKSPACES}
    return _role("ClusterRole", {"name": name}, places)


def workspaces_role(name: str, namespace: str) -> dict[str, Any]:
    """For the namespace that all workspaces share."""
    return _role("Role", {"name": name, "namespace": namespace}, {Place.WORKSPACES})


def sources_role(name: str, namespace: str) -> dict[str, Any]:
    """For a namespace with sources of image pull secrets."""
    return _role("Role", {"name": name, "namespace": namespace}, {Place.SOURCES})


def _role(kind: str, metadata: dict[str, str], places: set[Place]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": [
            {
                "apiGroups": [rule.group],
                "resources": list(rule.resources),
                "verbs": list(rule.verbs),
            }
            for rule in RULES
            if rule.place in places
        ],
    }
