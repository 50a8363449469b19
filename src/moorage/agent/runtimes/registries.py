"""Which registries images are pulled from because a devfile names them.

The engine and the nodes' kubelets connect from where they are: a devfile that names an image of
`127.0.0.1:9000` would have them ask the machine's own services, and tell what these answered. So a
registry's addresses must be public, or listed (`image_networks`; `kernel.addresses.Egress`).

A registry may send whoever pulls on to other addresses (its token server, its storage): engines
follow that by themselves, and only the network's own rules hold them back.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

from moorage.agent import causes
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract.images import parse_image
from moorage.kernel.addresses import Egress, canonical_host
from moorage.kernel.errors import Misconfigured

HTTPS = 443
PATIENCE = 5.0
"""Seconds for a registry's name to be resolved here. What does not resolve here may do so where it
is pulled: the engine tells."""


class Registries:
    """The rule, as the agent's settings have it."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises `Misconfigured`."""
        try:
            self._egress = Egress.of(networks)
        except ValueError as error:
            raise Misconfigured(
                f"image_networks holds what cannot be reached: {error}.",
                code="settings-invalid",
                hint='Write networks, addresses and hosts, with a port if need be: ["10.1.0.0/16", "registry.corp.example:5000"].',
            ) from error

    async def check(self, images: Iterable[str]) -> None:
        """Raises `RuntimeFault` (final) for the first image whose registry is at an address that
        images are not pulled from. It does not say which address that is."""
        for image in images:
            reference = parse_image(image)
            if reference and reference.domain and not await self._permits(reference.domain):
                raise RuntimeFault(causes.registry_denied(image), final=True)

    async def _permits(self, domain: str) -> bool:
        host, port = _place(domain)
        try:
            host = canonical_host(host)
        except ValueError:  # what some programs take for an address
            return False
        addresses = await _addresses(host)
        return not addresses or self._egress.permits(host, port, addresses)


def _place(domain: str) -> tuple[str, int]:
    """Host without brackets, and port."""
    host, _, port = domain.rpartition(":")
    if not host or domain.endswith("]"):
        host, port = domain, str(HTTPS)
    return host.removeprefix("[").removesuffix("]"), int(port)


async def _addresses(host: str) -> set[str]:
    """An address is one by itself."""
    resolving = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    try:
        return {str(found[4][0]) for found in await asyncio.wait_for(resolving, PATIENCE)}
    except (OSError, UnicodeError, TimeoutError):
        return set()
