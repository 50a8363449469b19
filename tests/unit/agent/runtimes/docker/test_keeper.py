"""The container that holds volumes."""

from __future__ import annotations

from moorage.agent.runtimes.docker import keeper
from moorage.agent.runtimes.port import Identity


def test_it_may_do_nothing() -> None:
    """It has no network and no capability, writes nothing, needs little, and is started again by
    the engine."""
    body = keeper.keeper_body("tools:1", Identity("inst", 7), {"b", "a"})
    host = body["HostConfig"]
    assert (host["NetworkMode"], host["CapDrop"], host["ReadonlyRootfs"]) == ("none", ["ALL"], True)
    assert host["RestartPolicy"] == {"Name": "always"}
    assert [mount["Source"] for mount in host["Mounts"]] == ["a", "b"]
    assert all(mount["ReadOnly"] for mount in host["Mounts"])
    assert "moorage.dev/workspace" not in body["Labels"], "it is no workspace's"
