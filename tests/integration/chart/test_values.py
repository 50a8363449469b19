"""Values that are wrong: what Helm says before it installs anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from integration.chart.rendering import CHART, DOMAIN, POSTGRES, Object, merged, refusal

TOKEN = "moor_agent_0123456789"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"server": {"replicas": "two"}}, ["server/replicas", "got string, want integer"]),
        ({"server": {"replica": 2}}, ["server", "additional properties 'replica' not allowed"]),
        ({"gateway": {"enabled": "yes please"}}, ["gateway/enabled", "got string, want boolean"]),
        (
            {"gateway": {"service": {"type": "Loadbalancer"}}},
            ["gateway/service/type", "'LoadBalancer'"],
        ),
        ({"gateway": {"service": {"nodePort": 70000}}}, ["gateway/service/nodePort", "maximum"]),
        (
            {"gateway": {"service": {"clusterIP": "gateway"}}},
            ["gateway/service/clusterIP", "pattern"],
        ),
        ({"server": {"service": {"clusterIP": "None"}}}, ["server/service/clusterIP", "pattern"]),
        ({"database": {"url": "mysql://db"}}, ["database/url", "postgres"]),
        ({"auth": {"host": "moorage.example.com"}}, ["auth/host", "https?"]),
        ({"auth": {"client_id": "x"}}, ["auth", "client_id"]),
        ({"config": {"token": "short"}}, ["config/token", "16"]),
        ({"config": {"kasAddress": "moorage"}}, ["config/kasAddress", "wss?"]),
        ({"ingress": {"host": {"workspaceDomain": "Ws.Test"}}}, ["ingress/host/workspaceDomain"]),
        (
            {"ingress": {"tls": {"workspaceDomainCert": "x"}}},
            ["ingress/tls/workspaceDomainCert", "CERTIFICATE"],
        ),
        ({"server": {"extraEnv": {"A": "b"}}}, ["server/extraEnv", "got object, want array"]),
        ({"certManager": {"issuerRef": {"kind": "Issuer"}}}, ["certManager/issuerRef", "name"]),
        (
            {"agent": {"workspaceSettings": {"remote_developments": {}}}},
            ["agent/workspaceSettings"],
        ),
        ({"agent": {"admissionPolicy": "sometimes"}}, ["agent/admissionPolicy", "'always'"]),
        ({"agent": {"onlyNamespace": "Team"}}, ["agent/onlyNamespace", "pattern"]),
        ({"servers": {}}, ["additional properties 'servers' not allowed"]),
    ],
)
def test_a_wrong_type_or_name(values: Object, words: list[str]) -> None:
    """The value at fault is named, with what is wrong with it."""
    said = refusal(DOMAIN, values)
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ingress": {"host": {"workspaceDomain": ""}}}, "ingress.host.workspaceDomain is missing"),
        ({"agent": {"settings": {"only_namespace": "x"}}}, "set agent.onlyNamespace instead"),
        ({"agent": {"onlyNamespace": "default"}}, "the release's own namespace"),
        (
            {
                "agent": {
                    "onlyNamespace": "team",
                    "workspaceSettings": {"remote_development": {"shared_namespace": "other"}},
                }
            },
            "in which the agent would have no rights",
        ),
        (
            {"ingress": {"host": {"wildcardDomain": "*.other.test"}}},
            "workspaces are found at *.ws.test",
        ),
        ({"server": {"replicas": 2}}, "SQLite, which takes exactly one. Set server.replicas to 1"),
        (merged(POSTGRES, {"database": {"existingSecret": "db"}}), "both set: give one of them"),
        ({"server": {"enabled": False}}, "config.kasAddress must say where the server is"),
        (
            {"server": {"enabled": False}, "config": {"kasAddress": "https://m.test"}},
            "config.token or config.existingSecret",
        ),
        (
            {
                "server": {"enabled": False},
                "config": {"kasAddress": "https://m.test", "token": TOKEN},
            },
            "auth.token or auth.existingSecret",
        ),
        (
            {
                "server": {"enabled": False},
                "config": {"kasAddress": "https://m.test", "token": TOKEN},
                "auth": {"token": TOKEN},
            },
            "auth.host must say where people sign in",
        ),
        (
            {"ingress": {"tls": {"workspaceDomainCert": "-----BEGIN CERTIFICATE-----\n"}}},
            "ingress.tls.workspaceDomainCert and ingress.tls.workspaceDomainKey belong together",
        ),
        (
            {"ingress": {"tls": {"wildcardDomainSecret": "s"}}},
            "names a Secret for one of workspaceDomain",
        ),
        (
            {
                "ingress": {"tls": {"workspaceDomainSecret": "s", "wildcardDomainSecret": "s"}},
                "certManager": {"issuerRef": {"name": "i"}},
            },
            "given in more than one way",
        ),
        ({"config": {"kasAddress": "wss://ws.test"}}, "Leave config.kasAddress out"),
        (
            {
                "ingress": {"enabled": True},
                "gateway": {"service": {"externalTrafficPolicy": "Local"}},
            },
            "externalTrafficPolicy is set, but the gateway's Service is of type ClusterIP, as ingress.enabled: true",
        ),
        (
            {"gateway": {"service": {"type": "ClusterIP", "nodePort": 30080}}},
            "gateway.service.nodePort is set, but the gateway's Service is of type ClusterIP, which has none",
        ),
        (
            {
                "ingress": {"enabled": True},
                "gateway": {"service": {"loadBalancerSourceRanges": ["192.0.2.0/24"]}},
            },
            "Leave it out, or set gateway.service.type to LoadBalancer",
        ),
        (
            {
                "gateway": {
                    "service": {"type": "NodePort", "loadBalancerSourceRanges": ["192.0.2.0/24"]}
                }
            },
            "loadBalancerSourceRanges is set, but the gateway's Service is of type NodePort, where",
        ),
        (
            {"gateway": {"service": {"clusterIP": "None"}}},
            "gateway.service.clusterIP is None, but the gateway's Service is of type LoadBalancer",
        ),
        (
            {
                "server": {"enabled": False},
                "gateway": {"enabled": False},
                "agent": {"enabled": False},
            },
            "there is nothing to install",
        ),
    ],
)
def test_values_that_do_not_go_together(values: Object, words: str) -> None:
    """The message says what is missing, or in whose way it is, and what to set."""
    assert words in refusal(DOMAIN, values)


def test_every_value_is_checked() -> None:
    """The schema knows all that values.yaml has, nothing else, and lets through what is the
    default."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(place: str, node: dict[str, Any], value: Any) -> None:
        if not isinstance(value, dict) or "properties" not in node:
            return
        assert node["additionalProperties"] is False, place
        known = set(node["properties"])
        assert set(value) <= known, place
        for key, item in value.items():
            compare(f"{place}.{key}", node["properties"][key], item)

    compare("", schema, values)
    assert set(schema["properties"]) - set(values) == {"global"}
