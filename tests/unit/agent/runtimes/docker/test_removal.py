"""The end of a workspace's containers, networks and volumes, on an engine that only keeps what it
is asked."""

from __future__ import annotations

from typing import Any

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import EngineError
from moorage.agent.runtimes.docker.inventory import Inventory
from moorage.agent.runtimes.docker.removal import Removal
from moorage.agent.runtimes.port import Identity

IDENTITY = Identity("inst", 7)
NAME = "workspace-7-1-abc123"


class FakeEngine:
    """Lists what it is given, refuses a deletion as often as it is told to, and keeps what it is
    asked."""

    def __init__(self) -> None:
        self.listed: dict[str, list[dict[str, Any]]] = {
            "containers": [],
            "networks": [],
            "volumes": [],
        }
        self.busy = 0
        """How many deletions are refused, since somebody else does it."""
        self.asked: list[str] = []

    async def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        kind, _, rest = path.partition("/")
        if method == "GET" and rest.endswith("/json"):
            return next(c for c in self.listed[kind] if c["Id"] == rest.removesuffix("/json"))
        if method == "GET":
            items = self.listed[kind]
            return {"Volumes": items} if kind == "volumes" else items
        self.asked.append(f"{method} {path}")
        if method == "DELETE" and self.busy:
            self.busy -= 1
            raise EngineError("removing", 409, "removal is already in progress")
        return None


def labelled(identity: Identity = IDENTITY, **labels: str) -> dict[str, str]:
    return {**ownership.labels_for(identity, NAME), **labels}


def container(name: str, role: str, identity: Identity = IDENTITY) -> dict[str, Any]:
    labels = labelled(identity, **{objects.ROLE: role, objects.CONTAINER: name})
    return {"Id": name, "Name": f"/{name}", "Labels": labels, "State": {"Status": "running"}}


def removal(engine: Any) -> Removal:
    return Removal(engine, Inventory(engine, IDENTITY), grace=5)


async def test_the_sandbox_goes_last() -> None:
    """The devfile's containers are ended and removed first, then what holds their network, then
    that."""
    engine = FakeEngine()
    engine.listed["containers"] = [container("sandbox", "sandbox"), container("dev", "main")]
    engine.listed["networks"] = [{"Id": "net", "Name": NAME, "Labels": labelled()}]
    await removal(engine).remove_run(NAME, gently=True)
    assert engine.asked == [
        "POST containers/dev/stop",
        "DELETE containers/dev",
        "DELETE containers/sandbox",
        "DELETE networks/net",
    ]


async def test_what_is_anothers_stays() -> None:
    """An object of another agent of the same installation is not touched, whatever its name."""
    engine = FakeEngine()
    engine.listed["containers"] = [container("theirs", "main", Identity("inst", 8))]
    engine.listed["volumes"] = [{"Name": NAME, "Labels": labelled(Identity("other", 7))}]
    await removal(engine).remove_run(NAME, gently=False)
    await removal(engine).remove_volumes(NAME, ephemeral_only=False)
    assert engine.asked == []


async def test_a_stop_keeps_data() -> None:
    """Of the volumes, a stop takes the ephemeral ones alone."""
    engine = FakeEngine()
    ephemeral = {"Name": f"{NAME}.cache", "Labels": labelled(**{objects.EPHEMERAL: "true"})}
    engine.listed["volumes"] = [{"Name": NAME, "Labels": labelled()}, ephemeral]
    await removal(engine).remove_volumes(NAME, ephemeral_only=True)
    assert engine.asked == [f"DELETE volumes/{NAME}.cache"]


async def test_somebody_else_removes_it_too() -> None:
    """A container that is being removed already is waited for."""
    engine = FakeEngine()
    engine.listed["containers"] = [container("dev", "main")]
    engine.busy = 2
    await removal(engine).remove_run(NAME, gently=False)
    assert engine.asked == ["DELETE containers/dev"] * 3
