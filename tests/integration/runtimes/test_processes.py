"""The first process of each container: part of the contract, so that the cluster's tests run it,
too."""

from __future__ import annotations

import msgspec
import pytest

from integration.runtimes.test_contract import said
from integration.runtimes.worlds import MemoryWorld, World, desired_of, simple_spec
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Container

LEAVES = "for n in $(seq 20); do (sleep 0 &); done; exec sleep infinity"
"""Processes whose parent has gone before their end: the container's first one inherits them."""
ZOMBIES = "cat /proc/[0-9]*/stat | awk '$3 == \"Z\"' | wc -l"
LIVING = {
    "left": ("sh", "-c", LEAVES),
    "sleeping": ("sleep", "infinity"),
    "looping": ("sh", "-c", "while true; do sleep 1; done"),
}


async def test_containers_reap_and_end(world: World) -> None:
    """A container beside the editor's keeps no zombies, and ends when it is told to: reported of
    databases' images with twenty zombies, and of stops that waited for SIGKILL, as the kernel gives
    process 1 no signal that it does not handle."""
    if isinstance(world, MemoryWorld):
        pytest.skip("there are no processes")
    agent = await world.agent()
    sides = [Container(name=n, image=world.image, command=c) for n, c in LIVING.items()]
    spec = simple_spec(world)
    wanted = msgspec.structs.replace(spec, containers=(*spec.containers, *sides))
    desired = desired_of(world, spec=wanted)
    await agent.start(desired)
    request = ExecRequest(argv=("sh", "-c", ZOMBIES), container="left")
    async with agent.runtime.execute(desired.name, request) as session:
        assert said([chunk async for chunk in session.output()], "stdout").strip() == b"0"
    for name in (
        LIVING
    ):  # as an engine does to stop it: the kernel drops it for a process 1 without an init
        request = ExecRequest(argv=("sh", "-c", "kill -TERM 1"), container=name)
        async with agent.runtime.execute(desired.name, request) as session:
            [chunk async for chunk in session.output()]

    async def ended() -> bool:
        run = (await agent.runtime.observe(desired.name, desired)).run
        sides = [c for c in run.containers if c.role == "sidecar"] if run is not None else []
        # A cluster starts it again by itself.
        return len(sides) == len(LIVING) and all(c.exit_code == 143 or c.restarts for c in sides)

    await agent.hearing.until_true(ended)
