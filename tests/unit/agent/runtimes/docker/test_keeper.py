"""The container that holds volumes."""

from __future__ import annotations

import asyncio
from typing import Any

from moorage.agent.runtimes.docker.keeper import Keeper, keeper_body
from moorage.agent.runtimes.port import Identity

IDENTITY = Identity("inst", 7)


def test_it_may_do_nothing() -> None:
    """It has no network and no capability, writes nothing, needs little, and is started again by
    the engine."""
    body = keeper_body("tools:1", IDENTITY, {"b", "a"})
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["CapDrop"], host["ReadonlyRootfs"]) == ("none", ["ALL"], True)
    assert host["RestartPolicy"] == {"Name": "always"}
    assert [mount["Source"] for mount in host["Mounts"]] == ["a", "b"]
    assert all(mount["ReadOnly"] for mount in host["Mounts"])
    assert "moorage.dev/workspace" not in body["Labels"], "it is no workspace's"


class Engine:
    """Lists volumes while one of them is being removed: its answer still has that one."""

    def __init__(self) -> None:
        self.volumes = {"one", "two"}
        self.began = asyncio.Event()
        self.listing = asyncio.Event()
        self.removed = asyncio.Event()
        self.held: list[set[str]] = []

    async def listed(self, kind: str) -> list[Any]:
        found = [{"Name": name, "Labels": {}} for name in sorted(self.volumes)]
        self.listing.set()
        await self.removed.wait()
        return found

    async def request(self, method: str, path: str, body: Any = None, **_: Any) -> Any:
        if path == "containers/create":
            self.held.append({mount["Source"] for mount in body["HostConfig"]["Mounts"]})
            return {"Id": "x"}
        return []

    async def tools(self) -> tuple[str, str]:
        return "image", "volume"


async def test_a_volume_that_goes_meanwhile_is_not_made_anew() -> None:
    """A container that names a volume makes it: none names one whose removal began before the
    engine was asked for what there is, and ended before it had answered."""
    engine: Any = Engine()
    keeper = Keeper(engine, engine, IDENTITY, engine)

    async def remove() -> None:
        async with keeper.without(["one"]):
            engine.began.set()
            await engine.listing.wait()
            engine.volumes.remove("one")
        engine.removed.set()

    removing = asyncio.create_task(remove())
    await engine.began.wait()
    await keeper.hold()
    await removing
    assert engine.held == [{"two"}]
