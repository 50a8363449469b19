"""Names: what a person chose, and what the cluster takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from integration.chart.rendering import Object, Rendered

LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1035: a Service's name."""
ALL = {"serviceMonitor": {"enabled": True}}


@pytest.mark.parametrize(
    ("release", "values", "name"),
    [
        ("rel", {}, "rel-moorage"),
        ("rel", {"fullnameOverride": "moorage.example"}, "moorage-example"),
        ("rel", {"nameOverride": "a.b"}, "rel-a-b"),
        ("team.one", {}, "team-one-moorage"),
        ("123", {}, "moorage-123-moorage"),
        ("rel", {"fullnameOverride": "1-2"}, "moorage-1-2"),
        ("a" * 53, {}, "a" * 40),
        ("b" * 39 + ".c", {}, "b" * 39),
        ("rel", {"fullnameOverride": "c" * 200}, "c" * 40),
        ("d" * 38 + "--e", {}, "d" * 38),
    ],
)
def test_names_are_those_of_services(release: str, values: Object, name: str) -> None:
    """Whatever release and overrides are called, each object's name is a DNS label of at most 63
    characters."""
    rendered = Rendered(values, ALL, release=release)
    assert f"{name}-server" in rendered.names("Service")
    for item in rendered.objects:
        if not item["kind"].startswith("ClusterRole"):
            assert LABEL.fullmatch(item["metadata"]["name"]), (
                item["kind"],
                item["metadata"]["name"],
            )
    assert f"http://{name}-server." in rendered.settings_of(f"{name}-gateway", "gateway")["server"]


def named(name: str) -> Object:
    """Whatever has a name that a person gives."""
    return {
        "imagePullSecrets": [{"name": name}],
        "server": {
            "existingSecret": name,
            "persistence": {"storageClass": name},
            "gitCredentials": {"existingSecret": name},
            "gitSsh": {"existingSecret": name},
            "priorityClassName": name,
        },
        "auth": {"existingSecret": name},
        "config": {"existingSecret": name},
        "agent": {"serviceAccount": {"name": name}},
        "ingress": {
            "className": name,
            "tls": {"workspaceDomainSecret": name, "wildcardDomainSecret": name},
        },
    }


@pytest.mark.parametrize(
    "more",
    [
        lambda _: {},
        lambda _: {"ingress": {"enabled": True}},
        lambda name: {"server": {"persistence": {"existingClaim": name}}},
        lambda name: {"database": {"existingSecret": name, "existingSecretKey": name}},
    ],
    ids=["balancer", "ingress", "claim", "postgresql"],
)
def test_names_of_digits_alone(more: Callable[[str], Object]) -> None:
    """They are strings wherever words are: of release, namespace, Secrets and classes."""

    def kinds(name: str) -> list[Any]:
        rendered = Rendered(ALL, named(name), more(name), release=name, namespace=name)
        return [_kinds(item) for item in rendered.objects]

    assert kinds("123") == kinds("words")


def _kinds(node: Any) -> Any:
    """The same document, with types in place of what it says."""
    if isinstance(node, dict):
        return {key: _kinds(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_kinds(item) for item in node]
    return type(node)
