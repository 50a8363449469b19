"""Agents that are killed, API servers that go away and forget, and access that is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest

from cluster.clusters import run
from cluster.figures import FIGURES
from cluster.mending import restart_api_server
from cluster.test_reconcile import writes
from cluster.worlds import KubernetesWorld, WholeAgent, eventually
from integration.runtimes.worlds import desired_of
from moorage.agent.runtimes.kubernetes.api import access, resources
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.contract import ActualState, DesiredState, DesiredWorkspace
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Misconfigured, MoorageError, Unavailable
from moorage.kernel.home import write_private

KILLS = 50
OPERATIONS = 100


@pytest.mark.timeout(900)
async def test_an_agent_killed_again_and_again(world: KubernetesWorld, tmp_path: Path) -> None:
    """100 operations on five workspaces while the agent's process is killed 50 times: in the end
    every workspace is as it should be, and nothing is left of those that were deleted."""
    random.seed(7)
    wishes, states = tmp_path / "wishes", tmp_path / "states"
    wanted = {name: desired_of(world, name=name) for name in (world.new_name() for _ in range(5))}
    deleted: set[str] = set()
    gone: dict[str, DesiredWorkspace] = {}
    done = 0

    def say() -> None:
        write_private(wishes, msgspec.json.encode((*wanted.values(), *gone.values())).decode())

    say()
    for _ in range(KILLS):
        process = await start_agent(world, wishes, states)
        await asyncio.sleep(random.uniform(0.3, 1.8))
        for _ in range(OPERATIONS // KILLS):
            name = random.choice(sorted(wanted))
            if random.random() < 0.1:
                deleted.add(name)
                ended = wanted.pop(name)
                gone[name] = msgspec.structs.replace(
                    ended, generation=ended.generation + 1, desired=DesiredState.TERMINATED
                )
                new = world.new_name()
                wanted[new] = desired_of(world, name=new)
            else:
                wanted[name] = changed(wanted[name])
            done += 1
            say()
        await asyncio.sleep(random.uniform(0.0, 0.5))
        process.kill()
        await process.wait()
    assert done == OPERATIONS
    began = time.monotonic()
    process = await start_agent(world, wishes, states)
    expected = {
        name: ("Running" if desired.desired is DesiredState.RUNNING else "Stopped")
        for name, desired in wanted.items()
    }

    async def settled() -> bool:
        said = json.loads(states.read_text() or "{}")
        return {name: state for name, state in said.items() if name not in gone} == expected

    async def nothing_left() -> bool:
        everything = " ".join(await world.everything())
        return not [name for name in deleted if name in everything]

    try:
        await eventually(settled, 300)
        await eventually(nothing_left, 120)
        await eventually(settled, 10)
        everything = " ".join(await world.everything())
        assert [name for name in wanted if name not in everything] == []
        for what, amount in (
            ("kills", KILLS),
            ("operations", done),
            ("deletions among them", len(deleted)),
        ):
            FIGURES.note(f"agent killed: {what}", amount)
        FIGURES.note(
            "agent killed: all as it should be after the last kill", time.monotonic() - began, "s"
        )
    finally:
        process.kill()
        await process.wait()


def changed(desired: DesiredWorkspace) -> DesiredWorkspace:
    """The next wish for it: another state, or new containers."""
    stop = desired.desired is DesiredState.RUNNING and random.random() < 0.5
    return msgspec.structs.replace(
        desired,
        generation=desired.generation + 1,
        desired=DesiredState.STOPPED if stop else DesiredState.RUNNING,
        restarts=desired.restarts + (0 if stop else 1),
    )


async def start_agent(
    world: KubernetesWorld, wishes: Path, states: Path
) -> asyncio.subprocess.Process:
    write_private(states, "{}")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("agent_process.py")),
        str(world.cluster.agent_kubeconfig),
        world.identity.installation,
        world.image,
        str(wishes),
        str(states),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.timeout(400)
async def test_an_api_server_that_does_not_answer(world: KubernetesWorld) -> None:
    """While the API server hangs, that is said; afterwards what was wished meanwhile happens, and
    what runs was left alone."""
    server = world.own_cluster().pid("apiserver")
    stays, stops = desired_of(world), desired_of(world)
    agent = WholeAgent(world, [stays, stops])
    for desired in (stays, stops):
        await agent.until_state(desired.name, ActualState.RUNNING)
    pod = await world.pod(stays.name)
    before = writes(agent.runtime)
    os.kill(server, signal.SIGSTOP)
    began = time.monotonic()
    try:
        agent.fleet.change(
            msgspec.structs.replace(stops, generation=2, desired=DesiredState.STOPPED)
        )
        said = await agent.until_state(stays.name, ActualState.ERROR, 90)
        assert said.cause is not None
        assert said.cause.code == "cluster-unreachable"
        FIGURES.note("API server hangs: told after", time.monotonic() - began, "s")
    finally:
        os.kill(server, signal.SIGCONT)
    FIGURES.note("API server hangs: for", time.monotonic() - began, "s")
    began = time.monotonic()
    await agent.until_state(stops.name, ActualState.STOPPED, 90)
    await agent.until_state(stays.name, ActualState.RUNNING, 90)
    FIGURES.note("API server hangs: all as wished afterwards, in", time.monotonic() - began, "s")
    assert (await world.pod(stays.name))["metadata"]["uid"] == pod["metadata"]["uid"]
    assert writes(agent.runtime) > before
    await agent.kill()


@pytest.mark.timeout(400)
async def test_a_node_that_does_not_answer(world: KubernetesWorld) -> None:
    """While the node's kubelet is away, the workspace is in error and says which node; when it is
    back, so is the workspace, and nothing was started again."""
    kubelet = world.own_cluster().pid("kubelet")
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)

    async def told_ready() -> bool:
        conditions = (await world.pod(desired.name))["status"]["conditions"]
        return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)

    await eventually(
        told_ready, 150
    )  # older kubelets say so at their next look, up to a minute after the editor has answered
    pod = await world.pod(desired.name)
    os.kill(kubelet, signal.SIGSTOP)
    began = time.monotonic()
    try:
        said = await agent.until_state(desired.name, ActualState.ERROR, 150)
        assert said.cause is not None
        assert said.cause.code == "node-not-answering"
        assert pod["spec"]["nodeName"] in said.cause.message
        assert said.address == pod["status"]["podIP"], "whoever works there goes on"
        FIGURES.note("node does not answer: told after", time.monotonic() - began, "s")
    finally:
        os.kill(kubelet, signal.SIGCONT)
    await agent.until_state(desired.name, ActualState.RUNNING, 120)
    after = await world.pod(desired.name)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert [entry["restartCount"] for entry in after["status"]["containerStatuses"]] == [0, 0]
    await agent.kill()


@pytest.mark.timeout(400)
async def test_an_api_server_that_forgot(world: KubernetesWorld) -> None:
    """After a compaction of etcd and a restart of the API server, watches cannot be resumed:
    everything is listed anew, no workspace is touched, and changes are heard of again."""
    world.own_cluster()
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)
    pod, before = await world.pod(desired.name), writes(agent.runtime)
    # other objects' changes, so that the point to resume from lies far back
    for number in range(200):
        await world.client.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"noise-{number}", "namespace": desired.name},
            }
        )
    compact()
    await asyncio.to_thread(restart_api_server)
    began = time.monotonic()
    store = agent.runtime.connection.store

    async def listed_anew() -> bool:
        return store.relists > 0 and store.ready.is_set()

    await eventually(listed_anew, 120)
    await agent.until_state(desired.name, ActualState.RUNNING, 60)
    assert (await world.pod(desired.name))["metadata"]["uid"] == pod["metadata"]["uid"]
    assert writes(agent.runtime) == before
    FIGURES.note("etcd compacted, API server restarted: kinds listed anew", store.relists)
    FIGURES.note(
        "etcd compacted, API server restarted: all known again after", time.monotonic() - began, "s"
    )
    FIGURES.note("etcd compacted, API server restarted: writes", writes(agent.runtime) - before)
    await world.client.delete(resources.SERVICE, desired.name, desired.name)

    async def mended() -> bool:
        return len(await world.of(resources.SERVICE, desired.name)) == 1

    await eventually(mended, 30)
    await agent.kill()


def compact() -> None:
    """Makes etcd forget everything but the present (etcd's gRPC gateway, v3)."""
    url = "http://127.0.0.1:2379/v3/kv"
    answer = json.loads(run("curl", "-sf", f"{url}/range", "-d", '{"key": "AA=="}'))
    body = json.dumps({"revision": answer["header"]["revision"], "physical": True})
    run("curl", "-sf", f"{url}/compaction", "-d", body)


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"token": "wrong"}, Misconfigured, "cluster-token-refused"),
        ({"server": "https://127.0.0.1:9"}, Unavailable, "cluster-unreachable"),
        ({"server": "https://nowhere.invalid:6443"}, Unavailable, "cluster-unreachable"),
        ({"ca": ""}, Misconfigured, "cluster-ca-wrong"),
    ],
)
async def test_wrong_access(
    world: KubernetesWorld, change: dict[str, str], error: type[MoorageError], code: str
) -> None:
    """A token, an address or a CA that is wrong is told as that, with where it came from."""
    wrong = access.Access(
        **{
            "server": world.access.server,
            "ca": world.access.ca,
            "token": world.access.token,
            "source": world.access.source,
            **change,
        }  # type: ignore[arg-type]
    )
    async with Client(wrong, TokenBucket(10, 10, SystemClock())) as client:
        with pytest.raises(error) as caught:
            await client.read("/api")
    assert caught.value.code == code
    named = wrong.server if code == "cluster-unreachable" else wrong.source
    assert named in caught.value.message
