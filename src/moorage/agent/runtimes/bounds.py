"""Bounds of what settings from the server may do in a cluster. Pure.

The server makes no objects, but settings decide how an agent makes them. Whoever runs the agent
says in its own settings (`[agent]`) what the server may set; its own file (`workspace_settings`) is
theirs, and free of these bounds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec

from moorage.agent.settings import AgentSettings
from moorage.contract.spec import is_reserved
from moorage.workspace_settings import EgressRule, Gateway, RemoteDevelopment

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Where a cluster, its nodes and its cloud's metadata are."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the server may set, beside what harms nobody."""

    pull_secret_namespaces: frozenset[str] = frozenset()
    shared_namespaces: frozenset[str] = frozenset()
    privilege_escalation: bool = False
    network_changes: bool = False
    gateway_namespace: str = "moorage"


def of_agent(own: AgentSettings, namespace: str) -> Bounds:
    """`namespace`: the agent's own; "" when it is in no cluster."""
    return Bounds(
        pull_secret_namespaces=frozenset(own.pull_secret_namespaces)
        | ({namespace} if namespace else frozenset()),
        shared_namespaces=frozenset(
            (own.only_namespace,) if own.only_namespace else own.shared_namespaces
        ),
        privilege_escalation=own.accept_privilege_escalation,
        network_changes=own.accept_network_changes,
        gateway_namespace=own.gateway_namespace,
    )


def excess(wanted: RemoteDevelopment, bounds: Bounds) -> str:
    """Why the agent does not accept these settings, and what its owner can do; "" when it does."""
    for secret in wanted.image_pull_secrets:
        if secret.namespace not in bounds.pull_secret_namespaces:
            return _refusal(
                f"image_pull_secrets: copying a secret out of the namespace {secret.namespace}",
                f"pull_secret_namespaces with {secret.namespace} in it",
            )
    if wanted.shared_namespace and wanted.shared_namespace not in bounds.shared_namespaces:
        return _refusal(
            f"shared_namespace: running workspaces in the namespace {wanted.shared_namespace}",
            f"shared_namespaces with {wanted.shared_namespace} in it",
        )
    if wanted.allow_privilege_escalation and not bounds.privilege_escalation:
        return _refusal("allow_privilege_escalation: true", "accept_privilege_escalation = true")
    reserved = [name for name in (*wanted.labels, *wanted.annotations) if is_reserved(name)]
    if reserved and not bounds.privilege_escalation:
        return _refusal(
            f"labels and annotations such as {reserved[0]}, which change what a cluster does",
            "accept_privilege_escalation = true",
        )
    if not bounds.network_changes and (change := _network_change(wanted, bounds)):
        return _refusal(change, "accept_network_changes = true")
    return ""


def _network_change(wanted: RemoteDevelopment, bounds: Bounds) -> str:
    if not wanted.network_policy.enabled:
        return "network_policy.enabled: false"
    plain = Gateway()
    if wanted.gateway_namespace not in ("", bounds.gateway_namespace):
        return f"gateway.namespace: letting the namespace {wanted.gateway_namespace} in"
    if not plain.labels.items() <= wanted.gateway.labels.items() or wanted.gateway.ranges:
        return "gateway: letting others than the gateway in"
    for rule in wanted.network_policy.egress:
        for network in PRIVATE:
            if _lets_into(rule, network):
                return f"network_policy.egress: letting workspaces into {network}"
    return ""


def _lets_into(rule: EgressRule, network: Network) -> bool:
    """Whether any address of `network` is allowed and not excepted."""
    allowed = ipaddress.ip_network(rule.allow)
    if allowed.version != network.version or not allowed.overlaps(network):
        return False
    reached: Iterable[Network] = [network if allowed.prefixlen <= network.prefixlen else allowed]
    for text in rule.except_:
        reached = [rest for part in reached for rest in _without(part, ipaddress.ip_network(text))]
    return any(True for _ in reached)


def _without(part: Network, taken: Network) -> Iterable[Network]:
    if not part.overlaps(taken):
        return [part]
    if taken.prefixlen <= part.prefixlen:
        return []
    return part.address_exclude(taken)  # type: ignore[arg-type]


def _refusal(what: str, setting: str) -> str:
    return (
        f"This agent does not accept from the server: {what}. Whoever runs the agent allows it with {setting} "
        "under [agent] in its settings.toml, or gives it a file of its own (workspace_settings)."
    )
