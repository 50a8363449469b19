"""Why a workspace does not start, in the cluster's own words, and how soon that is known."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from cluster.worlds import KubernetesWorld, WholeAgent
from integration.runtimes.worlds import EDITOR, Agent, desired_of, simple_spec
from moorage.agent_settings import Amounts, ResourceSettings
from moorage.contract import (
    ActualState,
    Container,
    ContainerState,
    DesiredWorkspace,
    Resources,
    StageName,
    WorkspaceSpec,
)

GIB = 1024**3


async def fault_of(agent: Agent, desired: DesiredWorkspace) -> Any:
    progress = await agent.start(desired)
    assert progress.fault is not None, progress
    return progress.fault


def with_main(world: KubernetesWorld, **fields: Any) -> WorkspaceSpec:
    given: dict[str, Any] = {"name": "py", "image": world.image, "override_command": True, **fields}
    return simple_spec(world, containers=(Container(**given),))


async def test_an_image_that_needs_a_sign_in(world: KubernetesWorld) -> None:
    """The registry's refusal is told, within ten seconds."""
    agent = await world.agent()
    began = time.time()
    fault = await fault_of(agent, desired_of(world, spec=with_main(world, image=world.private_image)))
    assert fault.code == "image-denied"
    assert "authori" in fault.detail.lower()
    assert time.time() - began < 10


async def test_an_unknown_storage_class(world: KubernetesWorld) -> None:
    """A StorageClass that the cluster does not have is named, with the setting to correct."""
    storage = msgspec.structs.replace(world.settings.storage, class_="nowhere")
    agent = await world.agent(settings=msgspec.structs.replace(world.settings, storage=storage))
    fault = await fault_of(agent, desired_of(world))
    assert fault.code == "storage-class-not-found"
    assert "nowhere" in fault.message
    assert "storage.class" in fault.hint


async def test_more_than_the_quota(world: KubernetesWorld) -> None:
    """A workspace that asks for more than it may have is refused with what it asked for."""
    limits = ResourceSettings(limits=Amounts(memory="1Gi"))
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, max_resources_per_workspace=limits)
    )
    resources_asked = Resources(memory_request=64 * 1024**2, memory_limit=3 * GIB)
    fault = await fault_of(agent, desired_of(world, spec=with_main(world, resources=resources_asked)))
    assert fault.code == "quota-exceeded"
    assert "limits.memory" in fault.detail


async def test_within_the_quota(world: KubernetesWorld) -> None:
    """What stays within the maximum runs, also when the devfile sets no limit at all."""
    limits = ResourceSettings(limits=Amounts(cpu="2", memory="2Gi"))
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, max_resources_per_workspace=limits)
    )
    assert (await agent.start(desired_of(world))).ready


async def test_more_memory_than_any_node_has(world: KubernetesWorld) -> None:
    """While no node has room, the stage says which resource is short; with no end of that, it is the fault."""
    agent = await world.agent(schedule_timeout=6.0)
    asked = Resources(memory_request=4000 * GIB)
    desired = desired_of(world, spec=with_main(world, resources=asked))
    await agent.runtime.start(desired, received=time.time())
    await agent.runtime.observe(desired.name, desired)

    def waits() -> bool:
        stages = agent.runtime.progress(desired.name).stages
        return any(s.name is StageName.CONTAINERS and "enough memory" in s.detail for s in stages)

    await agent.hearing.until(waits, 10)
    assert agent.runtime.progress(desired.name).fault is None
    fault = (await agent.settled(desired)).fault
    assert fault is not None
    assert fault.code == "insufficient-memory"
    assert "Insufficient memory" in fault.detail


async def test_a_node_selector_that_no_node_meets(world: KubernetesWorld) -> None:
    """When settings rule all nodes out, that is said, and which settings."""
    settings = msgspec.structs.replace(world.settings, node_selector={"pool": "nowhere"})
    agent = await world.agent(settings=settings, schedule_timeout=2.0)
    fault = await fault_of(agent, desired_of(world))
    assert fault.code == "no-suitable-node"


async def test_a_refused_object(world: KubernetesWorld) -> None:
    """What the cluster's admission refuses is told in its own words."""
    settings = msgspec.structs.replace(world.settings, priority_class="urgent")
    agent = await world.agent(settings=settings)
    fault = await fault_of(agent, desired_of(world))
    assert fault.code == "admission-refused"
    assert "priority_class" in fault.hint
    assert "urgent" in fault.detail


async def test_a_program_that_is_not_there(world: KubernetesWorld) -> None:
    """A sidecar whose command is not in its image is hopeless, with the node's words."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.image, command=("no-such-program",))
    desired = desired_of(world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side)))
    await agent.runtime.start(desired, received=time.time())

    async def hopeless() -> Any:
        run = (await agent.runtime.observe(desired.name, desired)).run
        assert run is not None
        return next((c for c in run.containers if c.name == "side" and c.hopeless), None)

    found = await agent.hearing.until_true(hopeless)
    assert found.fault.code == "command-not-found"
    assert "no-such-program" in found.fault.detail


async def test_an_editor_that_never_answers(world: KubernetesWorld) -> None:
    """An editor that does not open its port in time is the fault, with the main container's last lines."""
    agent = await world.agent(editor_timeout=4.0)
    editor = msgspec.structs.replace(EDITOR, command=("sh", "-c", "echo thinking; sleep 600"))
    desired = desired_of(world, spec=simple_spec(world, editor=editor))
    fault = await fault_of(agent, desired)
    assert fault.code == "editor-port-not-open"
    assert "thinking" in fault.detail


async def test_a_crash_loop_fails_with_its_last_lines(world: KubernetesWorld) -> None:
    """The whole agent: a container that ends again and again makes the workspace Failed, with what it wrote last; then
    nothing runs any more, and its log can still be read."""
    spec = simple_spec(world)
    side = Container(name="side", image=world.crashing_image)
    desired = desired_of(world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side)))
    agent = WholeAgent(world, [desired])
    said = await agent.until_state(desired.name, ActualState.FAILED, 150)
    assert said.cause is not None
    assert said.cause.code == "container-crashed"
    assert "about to fail" in said.cause.detail
    await agent.until(
        lambda: {c.state for c in agent.last[desired.name].containers} == {ContainerState.EXITED}
    )
    log = b"".join([chunk.data async for chunk in agent.runtime.logs(desired.name, "side")])
    assert b"about to fail" in log
    await agent.kill()
