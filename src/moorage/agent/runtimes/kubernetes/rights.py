"""What the agent may do in its cluster: the least that it needs, in one place. Pure.

The ClusterRole in the documentation and that of the chart are held against this table by tests, and the cluster's tests run
the agent under it. Watches go over all namespaces, since each workspace has its own: no Role of a single namespace is enough.
"""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes.resources import GENERATED, Kind

MAKES = ("create", "delete", "list", "patch", "watch")
"""Of what the agent makes: server-side apply is a `patch`, and a `create` where there was nothing."""


class Rule(msgspec.Struct, frozen=True):
    """As `PolicyRule` of rbac.authorization.k8s.io/v1."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


def _made(group: str) -> tuple[str, ...]:
    return tuple(sorted(kind.plural for kind in GENERATED if group_of(kind) == group))


def group_of(kind: Kind) -> str:
    """The API group; "": the core's."""
    return kind.api.rpartition("/")[0]


RULES = (
    Rule("", _made(""), MAKES),
    Rule("apps", _made("apps"), MAKES),
    Rule("networking.k8s.io", _made("networking.k8s.io"), MAKES),
    # The sources of image pull secrets lie in namespaces of others.
    Rule("", ("secrets",), ("get",)),
    # A pod whose node gave it up stays until somebody removes it.
    Rule("", ("pods",), ("delete", "list", "watch")),
    Rule("", ("pods/log",), ("get",)),
    # A command over a WebSocket is a `get` up to Kubernetes 1.34, and a `create` since.
    Rule("", ("pods/exec",), ("create", "get")),
    Rule("", ("events", "nodes"), ("list",)),
)


def cluster_role(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [
            {"apiGroups": [rule.group], "resources": list(rule.resources), "verbs": list(rule.verbs)}
            for rule in RULES
        ],
    }
