"""Several clusters under one server, and several replicas of it."""

from __future__ import annotations

import base64

import pytest
import yaml

from integration.chart.rendering import DOMAIN, POSTGRES, Object, Rendered, merged, program, refusal
from moorage.gateway.settings import GatewaySettings
from moorage.kernel.ids import new_secret
from moorage.server.agents import install_commands

ORIGIN = "https://moorage.example.com"


@pytest.mark.parametrize(
    "zone_url",
    ["https://dev.example.com", "https://dev.example.com:8443", "http://dev.example.com:8080"],
)
def test_what_the_server_gives_to_paste(zone_url: str) -> None:
    """The chart takes it: agent and gateway find the server and have their tokens, and the
    gateway's zone is the agent's."""
    assert program("helm")
    tokens = {"agent": new_secret("moor_agent_"), "gateway": new_secret("moor_gateway_")}
    command = install_commands.helm_command(
        chart="chart",
        origin=ORIGIN,
        zone_url=zone_url,
        agent_token=tokens["agent"],
        gateway_token=tokens["gateway"],
        given={},
    )
    values = yaml.safe_load(command.split("<<'EOF'\n")[1].removesuffix("EOF\n"))
    release = Rendered(values)
    assert "StatefulSet" not in release.kinds()
    assert release.names("Deployment") == ["rel-moorage-agent", "rel-moorage-gateway"]
    for part in ("agent", "gateway"):
        assert release.settings(part)["server"] == ORIGIN
        secret = next(
            item
            for item in release.objects
            if item["kind"] == "Secret"
            and item["metadata"]["name"] == release.mounted_secrets(part)[f"{part}-token"]
        )
        assert _text(secret, f"{part}-token") == tokens[part]
    assert GatewaySettings(**release.settings("gateway")).as_zone.origin == zone_url


PRIVATE: Object = {
    "image": {"registry": "registry.test/platform/", "tag": "1.2"},
    "imagePullSecrets": [{"name": "pull"}, {"name": "other"}],
    "caBundle": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
}
OWN_IMAGES: Object = {
    "image": {"pullPolicy": "Always"},
    "agent": {
        "image": {"repository": "agents/moorage", "tag": "3"},
        "toolsImage": "registry.test/tools:4",
    },
    "gateway": {"image": {"tag": "5"}},
}


@pytest.mark.parametrize("values", [{}, PRIVATE, OWN_IMAGES, merged(PRIVATE, OWN_IMAGES)])
def test_what_is_pasted_has_the_same_images(values: Object) -> None:
    """From the same registry, by the same Secrets; and it trusts the same authority."""
    here = Rendered(values)
    known = here.get("ConfigMap", "server")["data"]["helm-values.yaml"]
    assert here.settings("server")["helm_values"] == "/etc/moorage/helm-values.yaml"
    mounts = here.pod("server")["containers"][0]["volumeMounts"]
    assert {"name": "config", "mountPath": "/etc/moorage", "readOnly": True} in mounts
    there = Rendered(_pasted(yaml.safe_load(known)))
    for part in ("agent", "gateway"):
        for of_pod in (_images, lambda pod: pod.get("imagePullSecrets")):
            assert of_pod(there.pod(part)) == of_pod(here.pod(part))
        certificates = [
            release.get("ConfigMap", part)["data"].get("ca.crt", "").split()
            for release in (here, there)
        ]
        assert certificates[0] == certificates[1]
    assert there.settings("agent")["tools_image"] == here.settings("agent")["tools_image"]


def test_what_is_pasted_without_a_registry() -> None:
    """A server that was not told where images are leaves it to the reader; Helm says so, before
    nodes ask elsewhere."""
    assert "write the registry here that has Moorage's images" in refusal(_pasted(None))


def test_another_registry_begins_the_server_anew() -> None:
    """It reads these values when it starts."""
    seals = {
        Rendered({"image": {"registry": registry}}).get("Deployment", "server")["spec"]["template"][
            "metadata"
        ]["annotations"]["moorage.dev/config"]
        for registry in ("a.test", "b.test")
    }
    assert len(seals) == 2


def _pasted(given: Object | None) -> Object:
    command = install_commands.helm_command(
        chart="chart",
        origin=ORIGIN,
        zone_url="https://dev.example.com",
        agent_token=new_secret("moor_agent_"),
        gateway_token=new_secret("moor_gateway_"),
        given=given,
    )
    values: Object = yaml.safe_load(command.split("<<'EOF'\n")[1].removesuffix("EOF\n"))
    return values


def _images(pod: Object) -> list[tuple[str, str]]:
    return [(container["image"], container["imagePullPolicy"]) for container in pod["containers"]]


def test_the_gateway_never_asks_itself() -> None:
    """Where the server is in the release, it is reached by its Service, whatever the zone's host
    leads to."""
    release = Rendered()
    assert release.settings("gateway")["server_on_zone"] is True
    for part in ("gateway", "agent"):
        assert "ws.test" not in release.settings(part)["server"]
    assert "Leave config.kasAddress out" in refusal(
        DOMAIN, {"config": {"kasAddress": "https://ws.test"}}
    )


def test_replicas_reach_each_other() -> None:
    """Logs and commands are passed on to the replica that has the agent: the server's own pods are
    let in."""
    release = Rendered(POSTGRES, {"server": {"replicas": 2}})
    sources = release.get("NetworkPolicy", "server")["spec"]["ingress"][0]["from"]
    own = release.get("Deployment", "server")["spec"]["selector"]["matchLabels"]
    assert {"podSelector": {"matchLabels": own}} in sources
    assert release.settings("server")["listen"].startswith("*:"), "each finds out its own address"


def _text(secret: dict[str, dict[str, str]], key: str) -> str:
    if key in secret.get("stringData", {}):
        return secret["stringData"][key]
    return base64.b64decode(secret["data"][key]).decode()
