"""A network for each workspace, out of the agent's pool."""

from __future__ import annotations

import asyncio
import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.firewall import Firewall, bridge_of
from moorage.agent.runtimes.port import Identity, RuntimeFault
from moorage.contract import DesiredWorkspace

PREFIX_LENGTH = 28
"""14 addresses: the bridge's, the sandbox's, and room."""
TRIES = 8
"""Other programs take networks, too: a subnet that was free may be gone when it is asked for."""

USUAL_MTU = 1500
ROUTES, INTERFACES = Path("/proc/net/route"), Path("/sys/class/net")


def uplink_mtu(routes: Path = ROUTES, interfaces: Path = INTERFACES) -> int:
    """The largest packet, in bytes, that goes out of this machine by any of its ways; 0: not known.

    A way out is a default route, or one for half of all addresses, as VPNs have.
    """
    try:
        rows = [line.split() for line in routes.read_text().splitlines()[1:]]
        names = {row[0] for row in rows if row[7] in ("00000000", "00000080")}
        return min((int((interfaces / n / "mtu").read_text()) for n in names), default=0)
    except (OSError, ValueError, IndexError):
        return 0


def mtu_of(networks: Iterable[Mapping[str, Any]], setting: int, uplink: int) -> int:
    """The MTU of workspaces' networks; 0: the engine's choice.

    `setting`: `network_mtu`. Else it is that of the engine's own network, where its operator has
    set one, and the uplink's where that is smaller than usual: an engine looks at neither, and
    larger packets are lost where nobody may say that they were.
    """
    if setting:
        return setting
    options = (n.get("Options") or {} for n in networks if n.get("Name") == "bridge")
    given = next((str(o[objects.MTU]) for o in options if objects.MTU in o), "")
    known = [int(given)] if given.isdigit() and int(given) else []
    known += [uplink] if 0 < uplink < USUAL_MTU else []
    return min(known, default=0)


def free_subnet(pool: str, used: Iterable[str], seed: str) -> str | None:
    """A /28 of the pool that overlaps none in use; where the search begins is spread by `seed`.

    None: there is none.
    """
    whole = ipaddress.IPv4Network(pool)
    size = 1 << (32 - PREFIX_LENGTH)
    first, count = int(whole.network_address), whole.num_addresses // size
    taken: set[int] = set()
    for text in used:
        network = ipaddress.ip_network(text, strict=False)
        if isinstance(network, ipaddress.IPv4Network) and network.overlaps(whole):
            low = max(0, (int(network.network_address) - first) // size)
            high = min(count - 1, (int(network.broadcast_address) - first) // size)
            taken.update(range(low, high + 1))
    start = zlib.crc32(seed.encode()) % max(1, count)
    for step in range(count):
        index = (start + step) % count
        if index not in taken:
            return f"{ipaddress.IPv4Address(first + index * size)}/{PREFIX_LENGTH}"
    return None


def subnets(networks: Iterable[Mapping[str, Any]]) -> list[str]:
    """All that the engine's networks use."""
    configs = (
        config
        for network in networks
        for config in ((network.get("IPAM") or {}).get("Config") or ())
    )
    return [config["Subnet"] for config in configs if config.get("Subnet")]


class Networks:
    """The workspaces' networks, out of one pool of addresses."""

    def __init__(self, engine: Engine, identity: Identity, pool: str, mtu: int = 0) -> None:
        """`mtu`: the setting `network_mtu`."""
        self.firewall: Firewall | None = None
        """Guards them; None: there is none, or it is not known yet."""
        self._engine = engine
        self._identity = identity
        self._pool = pool
        self._mtu = mtu
        self._lock = asyncio.Lock()
        self._asked: set[str] = set()

    async def ensure(self, desired: DesiredWorkspace) -> None:
        """Raises `RuntimeFault` when the pool is used up, `EngineError`."""
        refused: set[str] = set()
        for _ in range(TRIES):
            chosen = await self._choose(desired, refused)
            if chosen is None:
                return
            subnet, mtu = chosen
            try:
                await self._engine.request(
                    "POST",
                    "networks/create",
                    objects.network_body(
                        desired, self._identity, subnet, self._bridge(desired.name), mtu
                    ),
                    doing="making the workspace's network",
                )
            except EngineError as error:
                if error.status == 409 and "already exists" in error.message:
                    return
                if "overlap" not in error.message.lower() and "subnet" not in error.message.lower():
                    raise
                refused.add(subnet)
            else:
                return
            finally:
                self._asked.discard(subnet)
        raise self._exhausted()

    async def _choose(self, desired: DesiredWorkspace, refused: set[str]) -> tuple[str, int] | None:
        """Subnet and MTU; None: the network is there already."""
        async with self._lock:
            networks = await self._engine.request("GET", "networks", doing="listing networks")
            own = [n for n in networks if n["Name"] == objects.network_name(desired.name)]
            for surplus in own[1:]:
                # An engine does not keep names apart while it makes networks: an agent that was
                # killed may leave two.
                await self._engine.request("DELETE", f"networks/{surplus['Id']}", missing_ok=True)
            if own:
                return None
            if self.firewall is not None:
                # Before there is anything to be reached.
                await self.firewall.ensure(self.own(networks))
            used = [*subnets(networks), *self._asked, *refused]
            subnet = free_subnet(self._pool, used, desired.name)
            if subnet is None:
                raise self._exhausted()
            self._asked.add(subnet)
            uplink = uplink_mtu() if self._engine.is_local else 0
            return subnet, mtu_of(networks, self._mtu, uplink)

    async def ensure_rules(self) -> None:
        """Puts up again what another program has taken away of the rules.

        Raises `EngineError`, `RuntimeFault`.
        """
        if self.firewall is not None:
            networks = await self._engine.request("GET", "networks", doing="listing networks")
            await self.firewall.ensure(self.own(networks))

    async def remove_unneeded_rules(self) -> None:
        """Takes the rules away when there is nothing any more that they guard."""
        if self.firewall is not None:
            networks = await self._engine.request("GET", "networks", doing="listing networks")
            if not self.own(networks):
                await self.firewall.remove()

    def own(self, networks: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return [
            net for net in networks if ownership.is_ours(net.get("Labels") or {}, self._identity)
        ]

    def _bridge(self, workspace: str) -> str:
        return bridge_of(self._identity, workspace) if self.firewall is not None else ""

    def _exhausted(self) -> RuntimeFault:
        verdict = causes.pool_exhausted(self._pool)
        return RuntimeFault(verdict.cause, final=verdict.final)
