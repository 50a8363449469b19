"""Makes what an administrator pastes where a new agent is to run. Pure.

Tokens are in no argument: Helm reads them from its standard input.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

RELEASE = "moorage-agent"
NAMESPACE = "moorage"
TLS_SECRET = "moorage-tls"  # noqa: S105 - a name
REGISTRY = "<registry>"
"""Stands where the reader is to write theirs: the chart refuses it."""
_REGISTRY_NOTE = f"# {REGISTRY}: write the registry here that has Moorage's images (deploy/images/README.md shows how they get there).\n"
_PULL_NOTE = "of type kubernetes.io/dockerconfigjson, in this namespace. Make it first.\n"
_TLS_NOTE = (
    f"# {TLS_SECRET}: a Secret of type kubernetes.io/tls in this namespace, for {{host}} and *.{{host}}. Make it first; or let\n"
    "# cert-manager make it (certManager.issuerRef), or say that TLS ends before the cluster (ingress.tls.endedElsewhere: true).\n"
)


@dataclass(frozen=True)
class HelmValues:
    """Values that every agent's installation needs here; None: nobody has written a file of
    them."""

    given: dict[str, Any] | None


def helm_command(
    *,
    chart: str,
    origin: str,
    zone_url: str,
    agent_token: str | None,
    gateway_token: str | None,
    given: Mapping[str, Any] | None = None,
) -> str:
    """`origin`: the server's. With both tokens, all that a new release needs; with one, what a
    running one is to change.

    `given`: values that a new release has besides, above all where its images are. None: nobody
    said, so the reader has to.
    """
    note = ""
    whole = agent_token is not None and gateway_token is not None
    values: dict[str, Any] = {"server": {"enabled": False}} if whole else {}
    if agent_token is not None:
        values["config"] = {"token": agent_token} | (
            {"kasAddress": websocket_origin(origin)} if whole else {}
        )
    if gateway_token is not None:
        values["auth"] = ({"host": origin} if whole else {}) | {"token": gateway_token}
    if whole:
        zone = urlsplit(zone_url)
        host = zone.hostname or ""
        values["ingress"] = {"host": {"workspaceDomain": host, "wildcardDomain": f"*.{host}"}}
        if zone.port:
            values["ingress"]["publicPort"] = zone.port
        if zone.scheme == "https":
            values["ingress"]["tls"] = {
                "workspaceDomainSecret": TLS_SECRET,
                "wildcardDomainSecret": TLS_SECRET,
            }
            note = _TLS_NOTE.format(host=host)
        values = _over({"image": {"registry": REGISTRY}} if given is None else given, values)
        note = (
            _REGISTRY_NOTE if given is None else _pull_note(given.get("imagePullSecrets"))
        ) + note
    text = note + yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=1000)
    keep = "" if whole else " --reuse-values"
    return (
        f"helm upgrade --install {RELEASE} {shlex.quote(chart)} --namespace {NAMESPACE} --create-namespace{keep}"
        f" --values - <<'EOF'\n{text}EOF\n"
    )


def docker_settings(*, origin: str, zone_url: str) -> str:
    """`settings.toml` of a machine that runs `moor agent` and `moor gateway` for a server
    elsewhere."""
    zone = urlsplit(zone_url)
    port = zone.port or {"http": 80, "https": 443}[zone.scheme]
    tls = (
        ""
        if zone.scheme == "http"
        else 'tls_certificate = "…"  # PEM: chain and key for the zone and *.zone\n'
    )
    return (
        "# settings.toml in the state folder (--home). Beside it, readable by their owner alone: secrets/agent-token and\n"
        "# secrets/gateway-token, with these tokens, and secrets/gateway-key: head -c 48 /dev/urandom | base64\n"
        "# Run with it: moor agent, moor gateway, and python -m moorage.gateway.haproxy\n"
        f'[agent]\nserver = "{origin}"\n\n'
        f'[gateway]\nserver = "{origin}"\nzone = "{zone.hostname}"\naddress = "*"\nport = {port}\n{tls}'
    )


def websocket_origin(origin: str) -> str:
    parts = urlsplit(origin)
    return urlunsplit(({"http": "ws", "https": "wss"}[parts.scheme], parts.netloc, "", "", ""))


def _pull_note(secrets: Any) -> str:
    names = [secret.get("name") for secret in secrets or [] if isinstance(secret, Mapping)]
    return f"# {', '.join(f'Secret {name}' for name in names)}: {_PULL_NOTE}" if names else ""


def _over(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`more` wins, as Helm has it with a second file of values."""
    found = dict(base)
    for key, value in more.items():
        under = found.get(key)
        found[key] = (
            _over(under, value)
            if isinstance(under, Mapping) and isinstance(value, Mapping)
            else value
        )
    return found


class _Dumper(yaml.SafeDumper):
    """Certificates stay as they are: line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _text)
