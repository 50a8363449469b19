"""Whether workspaces' ports are kept from other accounts of this machine, and, where they cannot
be, why."""

from __future__ import annotations

import asyncio
import os

from moorage.agent.runtimes.docker.engine import EngineError
from moorage.agent.runtimes.docker.firewall import LOOK_EVERY, Firewall
from moorage.agent.runtimes.docker.networks import Networks
from moorage.agent.runtimes.port import Identity, RuntimeFault
from moorage.kernel import log

_LEAVE_SECONDS = 2.0

_log = log.get(part="agent.docker.firewall")


def obstacle(reachable_by: tuple[str, ...], host: str, *, podman: bool) -> str:
    """Why there can be no rules here, as a sentence; "": there can. Pure."""
    if not reachable_by:
        return (
            "Every account of this machine can connect to the workspaces' ports: `moor up` puts up rules against that where root starts it "
            "and each process has an account of its own."
        )
    if not host.startswith("unix://"):
        return f"Who can connect to the workspaces' ports, the machine of the engine {host} decides: no rules are put up there."
    if podman:
        return "Every account of this machine can connect to the workspaces' ports: rules against that are for Docker's bridges alone."
    return ""


class Guard:
    """Decides whether there are rules, and keeps the sentence that says why not."""

    def __init__(self, reachable_by: tuple[str, ...], host: str) -> None:
        self._reachable_by = reachable_by
        self._host = host
        self._obstacle = ""
        self._firewall: Firewall | None = None

    @property
    def caveat(self) -> str:
        return self._firewall.problem if self._firewall is not None else self._obstacle

    async def firewall(self, identity: Identity, *, podman: bool) -> Firewall | None:
        """None where there can be no rules, which is logged once; those of a time when there could
        are taken away, as they would now keep HAProxy out, too."""
        found = obstacle(self._reachable_by, self._host, podman=podman)
        if found:
            if found != self._obstacle:
                _log.warning("workspaces are open to this machine", why=found)
                if os.geteuid() == 0:
                    await Firewall(identity, ()).remove()
            self._obstacle = found
            return None
        if self._firewall is None:
            self._firewall = Firewall(identity, self._reachable_by)
        return self._firewall


async def keep_rules(networks: Networks) -> None:
    """Looks again and again whether the rules are there."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        await networks.ensure_rules()


async def remove_unneeded_rules(networks: Networks) -> None:
    """At the agent's end."""
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            await networks.remove_unneeded_rules()
    except (TimeoutError, EngineError, RuntimeFault) as error:
        _log.warning(
            "the rules stay: the engine does not say whether they are needed", error=str(error)
        )
