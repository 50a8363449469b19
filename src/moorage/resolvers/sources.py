"""The sources of parents and plugins that an installation allows, and the resolver that they
make."""

from __future__ import annotations

from pathlib import Path

import msgspec

from moorage.devfile import NoResolver, Resolver
from moorage.resolvers.files import FirstOf, RegistryFolder


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Places that parents and plugins may come from. Nothing set: nothing is fetched, and a devfile
    with a parent or plugin is refused."""

    registry: str = ""
    """A folder of devfiles: `<id>/<version>/devfile.yaml` or `<id>/devfile.yaml`."""
    hosts: tuple[str, ...] = ()
    """Hosts that devfiles are fetched from: `host`, `host:port` or `*.domain`."""
    networks: tuple[str, ...] = ()
    """Networks and names of these hosts that may be reached although they are not public, as in
    `10.1.0.0/16` (`kernel.addresses.Egress`)."""
    registry_url: str = ""
    """The registry for ids that name none."""


def resolver_of(sources: Sources) -> Resolver:
    """The resolver for a server. Raises `ValueError` for a network that is none."""
    resolvers: list[Resolver] = []
    if sources.registry:
        resolvers.append(RegistryFolder(Path(sources.registry)))
    if sources.hosts:
        from moorage.resolvers.http import HttpResolver

        http = HttpResolver(sources.hosts, registry=sources.registry_url, networks=sources.networks)
        resolvers.append(http)
    if not resolvers:
        return NoResolver()
    return resolvers[0] if len(resolvers) == 1 else FirstOf(*resolvers)
