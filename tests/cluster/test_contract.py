"""What every runtime does, on a real cluster: all tests of the contract, and the cluster's form of
the two that take an engine which waits for somebody to start again what ended, where the kubelet
does so itself.
"""

from __future__ import annotations

import msgspec

from cluster.worlds import KubernetesWorld
from integration.runtimes import test_contract as contract
from integration.runtimes import test_processes as processes
from integration.runtimes.test_contract import started
from integration.runtimes.worlds import desired_of, simple_spec
from moorage.contract import Container

OTHERWISE = {"test_lost_container_is_seen_and_repaired", "test_unknown_image"}
"""Those that have a form of their own here."""
globals().update(
    {
        name: test
        for name, test in (vars(contract) | vars(processes)).items()
        if name.startswith("test_") and name not in OTHERWISE
    }
)


async def test_lost_container_is_made_again(world: KubernetesWorld) -> None:
    """A container that somebody ended is made again, and the others are left alone: the kubelet
    needs nobody for it."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.image, override_command=True)
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    await agent.start(desired)
    before = await started(agent, world, desired.name)
    world.lose_container(desired.name, "side")

    async def again() -> bool:
        after = await started(agent, world, desired.name)
        return after["side"] > before["side"]

    await agent.hearing.until_true(again)
    assert (await started(agent, world, desired.name))["py"] == before["py"]


async def test_unknown_image(world: KubernetesWorld) -> None:
    """An image that its registry does not have is a fault which says so, without waiting for the
    node to try again."""
    agent = await world.agent()
    main = Container(name="py", image=world.missing_image)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,)))
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "image-not-found"
    assert world.missing_image in progress.fault.message
    assert "not found" in progress.fault.detail
    assert progress.fault.since - (progress.stages[0].started_at or 0.0) < 30
