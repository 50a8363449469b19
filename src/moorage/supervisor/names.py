"""What a person should know about the zone's names on this machine. It looks names up, and changes
nothing."""

from __future__ import annotations

import socket

from moorage.contract.hosts import LOCALHOST, ONE_MACHINE_ZONE, host_of
from moorage.supervisor.prepare import Plan

_SOME_WORKSPACE = "workspace-1-1-abc123"


def notes(plan: Plan) -> list[str]:
    """Sentences for whoever starts Moorage; [] where nothing has to be said."""
    found = []
    if plan.zone == LOCALHOST:
        found.append(
            "This installation has the zone localhost, as earlier versions had: there, a page of one port cannot call another port "
            f"of its workspace. `moor down`, then `moor up --zone {ONE_MACHINE_ZONE}` changes that; old addresses lead to the new ones."
        )
    if is_local(plan.zone) and not resolves(host_of(_SOME_WORKSPACE, 80, plan.zone)):
        found.append(
            f"Chrome, Edge, Firefox and curl find *.{plan.zone} by themselves. Safari, and programs that ask this machine's resolver, do not: "
            "docs/names.md says what to do."
        )
    return found


def is_local(zone: str) -> bool:
    """Whether the zone is for the machine itself (RFC 6761, 6.3)."""
    return zone == LOCALHOST or zone.endswith(f".{LOCALHOST}")


def resolves(host: str) -> bool:
    """Whether this machine's resolver knows the host."""
    try:
        return bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False
