"""What settings from the server may not do in a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.bounds import Bounds, excess, of_agent
from moorage.agent.settings import AgentSettings
from moorage.workspace_settings import parse

WIDE = Bounds(
    pull_secret_namespaces=frozenset({"team"}),
    shared_namespaces=frozenset({"shared"}),
    privilege_escalation=True,
    network_changes=True,
)


def egress(allow: str, *excepted: str) -> str:
    return f"network_policy: {{egress: [{{allow: {allow}, except: [{', '.join(excepted)}]}}]}}"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("image_pull_secrets: [{name: pull, namespace: team}]", "pull_secret_namespaces"),
        ("shared_namespace: shared", "shared_namespaces"),
        ("allow_privilege_escalation: true", "accept_privilege_escalation"),
        ("labels: {pod-security.kubernetes.io/enforce: privileged}", "accept_privilege_escalation"),
        (
            "annotations: {container.apparmor.security.beta.kubernetes.io/py: unconfined}",
            "accept_privilege_escalation",
        ),
        ("network_policy: {enabled: false}", "accept_network_changes"),
        ("gateway: {namespace: other}", "accept_network_changes"),
        ("gitlab_workspaces_proxy: {namespace: other}", "accept_network_changes"),
        ("gateway: {labels: {}}", "accept_network_changes"),
        ("gateway: {ranges: [10.0.0.0/8]}", "accept_network_changes"),
        (egress("0.0.0.0/0"), "accept_network_changes"),
        (
            egress("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
            "accept_network_changes",
        ),
        (
            egress("0.0.0.0/0", "10.0.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
            "accept_network_changes",
        ),
        (egress("10.1.2.3/32"), "accept_network_changes"),
        (egress("8.0.0.0/5"), "accept_network_changes"),
        (egress("169.254.169.254/32"), "accept_network_changes"),
        (egress('"::/0"'), "accept_network_changes"),
        (egress('"fd00::/8"'), "accept_network_changes"),
    ],
)
def test_what_needs_the_owners_word(text: str, setting: str) -> None:
    """Refused by an agent that says nothing, in words that name the setting; taken by one that
    allows it."""
    wanted = parse(f"remote_development: {{{text}}}").remote_development
    refusal = excess(wanted, Bounds())
    assert setting in refusal
    assert "workspace_settings" in refusal
    assert excess(wanted, WIDE) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "workspaces_quota: 3",
        "gateway: {namespace: moorage}",
        "gateway: {labels: {app.kubernetes.io/name: moorage-gateway}}",
        "gateway: {labels: {app.kubernetes.io/name: moorage-gateway, app.kubernetes.io/instance: one}}",
        "network_policy: {egress: []}",
        egress("203.0.113.0/24"),
        egress("0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        egress(
            "0.0.0.0/0",
            "10.0.0.0/9",
            "10.128.0.0/9",
            "172.0.0.0/8",
            "192.168.0.0/16",
            "169.254.0.0/16",
        ),
        egress("10.0.0.0/16", "10.0.0.0/17", "10.0.128.0/17"),
        egress('"::/0"', '"fc00::/7"', '"fe80::/10"'),
        "network_policy: {egress: [{allow: 203.0.113.0/24}, {allow: 198.51.100.0/24}]}",
        "storage: {size: 1Gi}",
        "node_selector: {disk: ssd}",
    ],
)
def test_what_the_server_may_set(text: str) -> None:
    """Less network than the default, and all that gives nobody power over the cluster."""
    assert excess(parse(f"remote_development: {{{text}}}").remote_development, Bounds()) == ""


@pytest.mark.parametrize(
    ("own", "namespace", "bounds"),
    [
        ({}, "", Bounds()),
        ({}, "moorage-system", Bounds(pull_secret_namespaces=frozenset({"moorage-system"}))),
        ({"gateway_namespace": "edge"}, "", Bounds(gateway_namespace="edge")),
        (
            {"pull_secret_namespaces": ("team",), "accept_network_changes": True},
            "own",
            Bounds(pull_secret_namespaces=frozenset({"team", "own"}), network_changes=True),
        ),
    ],
)
def test_whose_word_it_is(own: dict[str, Any], namespace: str, bounds: Bounds) -> None:
    """The agent's own settings, and the namespace that it is in."""
    assert of_agent(AgentSettings(**own), namespace) == bounds


def test_an_agent_that_has_rights_in_one_namespace() -> None:
    """Settings from the server name no shared namespace but that one, whatever else was once
    allowed."""
    bounds = of_agent(AgentSettings(only_namespace="mine", shared_namespaces=("other",)), "moorage")
    for namespace, refused in (
        ("mine", False),
        ("", False),
        ("other", True),
        ("kube-system", True),
    ):
        wanted = parse(
            f'remote_development: {{shared_namespace: "{namespace}"}}', "x"
        ).remote_development
        assert bool(excess(wanted, bounds)) is refused, namespace
