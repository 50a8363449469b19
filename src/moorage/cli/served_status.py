"""`moor status` beside a server that no `moor up` runs, as in a cluster's pod: what the server
itself can say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from moorage.cli import output
from moorage.cli.client import Client, Target, target
from moorage.cli.words import since
from moorage.kernel.errors import MoorageError, Unavailable
from moorage.kernel.home import Home


class ServedStatus(msgspec.Struct, frozen=True, omit_defaults=False):
    """As `moor status -o json` says it; what a supervisor would know is empty."""

    running: bool
    healthy: bool
    """The server answers, and every agent that takes workspaces is connected."""
    home: str
    server: str
    """Its address."""
    problem: str
    """Why it does not answer, in words; "": it does."""
    processes: tuple[()] = ()
    agents: list[dict[str, Any]] = []
    """As the API lists them."""
    workspaces: dict[str, int] = {}
    """How many are in which state."""


def server_beside(home: Home) -> Target | None:
    """The server that wrote `client.json` itself, since it listens on TCP; None: there is none, or
    a supervisor's, on its socket."""
    try:
        found = target(None, home)
    except MoorageError:
        return None
    return None if found.socket else found


def status_of(where: Target, home: Home) -> ServedStatus:
    client = Client(where)
    try:
        agents = client.get("/agents")["items"]
        workspaces = client.get("/workspaces", all="true")["items"]
    except Unavailable as error:
        return ServedStatus(False, False, str(home.path), where.server, error.message)
    finally:
        client.close()
    return ServedStatus(
        running=True,
        healthy=not any(map(_is_missed, agents)),
        home=str(home.path),
        server=where.server,
        problem="",
        agents=agents,
        workspaces=dict(Counter(item["state"] for item in workspaces)),
    )


def show(found: ServedStatus) -> None:
    if found.problem:
        output.say(found.problem)
        output.say("Its pod's log, or its service's, says why: no `moor up` runs it.")
        return
    output.say(f"The server at {found.server} answers. What runs it is not `moor up`: a cluster,")
    output.say("or a service manager, shows its processes (`kubectl get pods`).")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found.workspaces.items()))
    output.say(f"{'Workspaces:':<18}{counts or 'none'}")
    for agent in found.agents:
        output.say(f"{'Agent ' + agent['name'] + ':':<18}{_state(agent)}")


def _is_missed(agent: dict[str, Any]) -> bool:
    return agent["enabled"] and not agent["revoked"] and not agent["connected"]


def _state(agent: dict[str, Any]) -> str:
    if agent["connected"]:
        return "connected"
    if agent["last_seen"] is None:
        return "has never been connected"
    return f"away for {since(agent['last_seen'])}"
