"""What a person does about an engine, by where it is. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Parts of hints that begin with a verb, for one kind of place where workspaces run."""

    sign_in: str
    """To a registry, so that it hands out private images."""
    trust: str
    """A registry's certificate."""
    allow_http: str
    """A registry that speaks no TLS."""
    bring: str
    """An image, without a registry."""
    network: str
    """The ways to a registry, to be checked."""
    tools: str
    """The tools image, to be brought or named."""


DOCKER = Place(
    sign_in="run `docker login` as the user that the agent runs as",
    trust="make the engine trust the CA that signed it (/etc/docker/certs.d/<registry>/ca.crt)",
    allow_http="name it under insecure-registries in /etc/docker/daemon.json",
    bring="put the image on the engine beforehand",
    network="the machine's network, DNS and proxy",
    tools="Build it (scripts/tools-image), or set tools_image under [agent].",
)
KUBERNETES = Place(
    sign_in="name a Secret with its credentials as image_pull_secrets in the agent's settings",
    trust="make the container runtime of the nodes trust the CA that signed it "
    "(containerd: hosts.toml of the registry, CRI-O: /etc/containers/certs.d/<registry>)",
    allow_http="allow it in the container runtime of the nodes "
    "(containerd: hosts.toml of the registry, CRI-O: insecure = true in registries.conf)",
    bring="put the image on the nodes beforehand",
    network="the network, DNS and proxy of the nodes",
    tools="Set the chart's agent.toolsImage to one that the nodes can pull, or put it on them.",
)
