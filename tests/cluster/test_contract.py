"""What every runtime does, on a real cluster: the contract's own tests, and the cluster's form of the few that take an engine
which waits for somebody to start again what ended, where the kubelet does so itself.
"""

from __future__ import annotations

import msgspec

from cluster.worlds import KubernetesWorld
from integration.runtimes.test_contract import (
    started,
    test_a_mark_tells_data_apart,
    test_a_run_keeps_its_settings,
    test_another_agent_process_sees_the_same,
    test_cancelled_start_is_taken_up,
    test_commands,
    test_commands_where_nothing_runs,
    test_crash_is_told_with_code_and_words,
    test_ended_container_is_seen_and_started_again,
    test_ending_what_is_not_there,
    test_following_a_log_ends_with_its_container,
    test_fresh_start_makes_new_containers,
    test_halt_keeps_output,
    test_knows_nothing_at_first,
    test_nobody_runs_a_command_in_the_sandbox,
    test_refused_clone,
    test_remove_leaves_nothing,
    test_start_is_idempotent,
    test_starts_until_ready,
    test_steps_run_once,
    test_stop_leaves_data_only,
    test_the_newest_word_is_kept,
)
from integration.runtimes.worlds import desired_of, simple_spec
from moorage.contract import Container

__all__ = [
    "test_a_mark_tells_data_apart",
    "test_a_run_keeps_its_settings",
    "test_another_agent_process_sees_the_same",
    "test_cancelled_start_is_taken_up",
    "test_commands",
    "test_commands_where_nothing_runs",
    "test_crash_is_told_with_code_and_words",
    "test_ended_container_is_seen_and_started_again",
    "test_ending_what_is_not_there",
    "test_following_a_log_ends_with_its_container",
    "test_fresh_start_makes_new_containers",
    "test_halt_keeps_output",
    "test_knows_nothing_at_first",
    "test_nobody_runs_a_command_in_the_sandbox",
    "test_refused_clone",
    "test_remove_leaves_nothing",
    "test_start_is_idempotent",
    "test_starts_until_ready",
    "test_steps_run_once",
    "test_stop_leaves_data_only",
    "test_the_newest_word_is_kept",
]


async def test_lost_container_is_made_again(world: KubernetesWorld) -> None:
    """A container that somebody ended is made again, and the others are left alone: the kubelet needs nobody for it."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.image, override_command=True)
    desired = desired_of(world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side)))
    await agent.start(desired)
    before = await started(agent, world, desired.name)
    world.lose_container(desired.name, "side")

    async def again() -> bool:
        after = await started(agent, world, desired.name)
        return after["side"] > before["side"]

    await agent.hearing.until_true(again)
    assert (await started(agent, world, desired.name))["py"] == before["py"]


async def test_unknown_image(world: KubernetesWorld) -> None:
    """An image that its registry does not have is a fault which says so, within ten seconds."""
    agent = await world.agent()
    main = Container(name="py", image=world.missing_image)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,)))
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "image-not-found"
    assert world.missing_image in progress.fault.message
    assert "not found" in progress.fault.detail
    assert progress.fault.since - (progress.stages[0].started_at or 0.0) < 10
