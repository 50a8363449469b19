"""What is written to the cluster, and what is not: repair, adoption, pruning, settings that are
kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cluster.accounts import put
from cluster.figures import FIGURES
from cluster.worlds import KubernetesWorld, WholeAgent, eventually
from integration.runtimes.worlds import desired_of, simple_spec
from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api import client, commands, resources
from moorage.agent.runtimes.kubernetes.apply import waiting
from moorage.agent.runtimes.kubernetes.observed import containers
from moorage.agent.runtimes.port import ExecRequest, RuntimeFault
from moorage.contract import (
    ActualState,
    Container,
    DesiredState,
    FoundWorkspace,
    Project,
    Volume,
    VolumeMount,
)
from moorage.workspace_settings import Amounts, ResourceSettings

WRITES = ("apply", "patch", "create", "delete")


def writes(world_or_runtime: Any) -> int:
    """Requests that change something; the dry run of the first look is none."""
    requests = world_or_runtime.client.requests
    return sum(
        count for (verb, _, status), count in requests.items() if verb in WRITES and status < 300
    ) - sum(
        count
        for (verb, kind, _), count in requests.items()
        if (verb, kind) == ("create", "Deployment")
    )


async def test_what_is_changed_by_hand_is_put_back(world: KubernetesWorld) -> None:
    """Objects that somebody changed, extended or deleted are as they should be again within
    seconds, and the pod that runs is left alone unless it is the pod that was changed."""
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)
    pod = await world.pod(desired.name)
    began = time.monotonic()
    policy = await world.only(resources.NETWORK_POLICY, desired.name)
    await world.edit(
        resources.NETWORK_POLICY, policy, {"op": "add", "path": "/spec/egress/-", "value": {}}
    )
    env = f"{desired.name}-env-py"
    secret = await world.client.get(resources.SECRET, desired.name, env)
    assert secret is not None
    await world.edit(
        resources.SECRET, secret, {"op": "add", "path": "/data/EXTRA", "value": "eA=="}
    )
    service = await world.only(resources.SERVICE, desired.name)
    await world.client.delete(resources.SERVICE, desired.name, service["metadata"]["name"])

    async def mended() -> bool:
        items = [
            await world.of(kind, desired.name)
            for kind in (resources.NETWORK_POLICY, resources.SERVICE)
        ]
        again = await world.client.get(resources.SECRET, desired.name, env)
        return (
            items[0][0]["spec"] == policy["spec"]
            and again is not None
            and again["data"] == secret["data"]
            and [item["metadata"]["name"] for item in items[1]] == [service["metadata"]["name"]]
            and items[1][0]["metadata"]["uid"] != service["metadata"]["uid"]
        )

    await eventually(mended)
    FIGURES.note(
        "changed, extended and deleted by hand: all mended after", time.monotonic() - began, "s"
    )
    assert (await world.pod(desired.name))["metadata"]["uid"] == pod["metadata"]["uid"]
    assert agent.last[desired.name].state is ActualState.RUNNING
    await agent.kill()


async def test_a_deployment_changed_by_hand_is_put_back(world: KubernetesWorld) -> None:
    """A Deployment that was scaled down, given another image or a field of its own comes back as it
    was."""
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)
    before = await world.only(resources.DEPLOYMENT, desired.name)
    path = "/spec/template/spec"
    await world.edit(
        resources.DEPLOYMENT,
        before,
        {"op": "replace", "path": f"{path}/containers/1/image", "value": "example.com/evil:1"},
        {"op": "add", "path": f"{path}/dnsConfig", "value": {"nameservers": ["192.0.2.1"]}},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
    )

    async def mended() -> bool:
        return (await world.only(resources.DEPLOYMENT, desired.name))["spec"] == before["spec"]

    await eventually(mended)
    await agent.until_state(desired.name, ActualState.STARTING)
    await agent.until_state(desired.name, ActualState.RUNNING)
    await agent.kill()


async def test_a_deleted_pod_and_an_evicted_one_come_back(world: KubernetesWorld) -> None:
    """A pod that is deleted or evicted is made anew, with the same files, and the workspace runs
    again: also where its quota has no room for the next pod before the former one has gone."""
    desired = desired_of(world)
    limits = ResourceSettings(limits=Amounts(cpu="2", memory="2Gi"))
    settings = msgspec.structs.replace(world.settings, max_resources_per_workspace=limits)
    agent = WholeAgent(world, [desired], settings=settings)
    await agent.until_state(desired.name, ActualState.RUNNING)
    for evict in (False, True):
        pod = await world.pod(desired.name)
        name = pod["metadata"]["name"]
        if evict:
            body = {
                "apiVersion": await eviction_version(world),
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": desired.name},
            }
            async with world.client._request(
                "evict",
                resources.POD,
                "POST",
                resources.POD.path(desired.name, name) + "/eviction",
                timeout=world.client_timeout,
                body=body,
                content="application/json",
            ) as answer:
                await answer.read()
        else:
            await world.client.delete(resources.POD, desired.name, name)
        await agent.until_state(desired.name, ActualState.STARTING)
        await agent.until_state(desired.name, ActualState.RUNNING)
        assert (await world.pod(desired.name))["metadata"]["uid"] != pod["metadata"]["uid"]
    await agent.kill()


@pytest.mark.parametrize("lost", ["claim", "namespace"])
async def test_lost_files_are_said_and_agreed_to(world: KubernetesWorld, lost: str) -> None:
    """A claim that is deleted in use is told while the workspace still has its files; once they are
    gone, with the claim or with the whole namespace, nothing is cloned in their place before its
    owner has agreed."""
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    said = await agent.until_state(desired.name, ActualState.RUNNING)
    assert said.volumes == ("",)
    counted = msgspec.structs.replace(desired, volumes=("",))
    agent.fleet.change(counted)
    name = desired.name

    def cause_is(code: str) -> bool:
        cause = agent.last[name].cause
        return cause is not None and cause.code == code

    if lost == "claim":
        await world.client.delete(resources.VOLUME_CLAIM, name, name)
        await agent.until(lambda: cause_is("files-going"))
        assert agent.last[name].state is ActualState.RUNNING
        stopped = msgspec.structs.replace(counted, generation=2, desired=DesiredState.STOPPED)
        agent.fleet.change(stopped)
        await agent.until(
            lambda: agent.last[name].state is ActualState.STOPPED and cause_is("files-lost")
        )
    else:
        await world.client.delete(resources.NAMESPACE, "", name)
    started = msgspec.structs.replace(counted, generation=3)
    agent.fleet.change(started)
    await agent.until(lambda: agent.last[name].generation == 3 and cause_is("files-lost"))
    assert agent.last[name].state is ActualState.FAILED
    assert not [
        claim
        for claim in await world.of(resources.VOLUME_CLAIM, name)
        if "deletionTimestamp" not in claim["metadata"]
    ]
    agent.fleet.change(msgspec.structs.replace(desired, generation=4, restarts=1))
    await agent.until(
        lambda: agent.last[name].generation == 4 and agent.last[name].state is ActualState.RUNNING
    )
    await agent.kill()


async def eviction_version(world: KubernetesWorld) -> str:
    """Of the object that asks for an eviction: v1beta1 is gone from newer clusters, and older ones
    know no v1."""
    known = (await world.client.read("/api/v1"))["resources"]
    found = next(item for item in known if item["name"] == "pods/eviction")
    return f"{found['group']}/{found['version']}"


async def test_a_new_agent_writes_nothing(world: KubernetesWorld) -> None:
    """An agent that lost everything finds running and stopped workspaces as they should be, without
    a single write."""
    running, stopped = desired_of(world), desired_of(world)
    first = WholeAgent(world, [running, stopped])
    for desired in (running, stopped):
        await first.until_state(desired.name, ActualState.RUNNING)
    stopped = msgspec.structs.replace(stopped, generation=2, desired=DesiredState.STOPPED)
    first.fleet.change(stopped)
    await first.until_state(stopped.name, ActualState.STOPPED)
    await first.kill()
    second = WholeAgent(world, [running, stopped])
    await second.until_state(running.name, ActualState.RUNNING)
    await second.until_state(stopped.name, ActualState.STOPPED)
    assert writes(second.runtime) == 0
    FIGURES.note("an agent that lost everything: writes", writes(second.runtime))
    await second.kill()


async def test_what_no_snapshot_lists_is_stopped_and_kept(world: KubernetesWorld) -> None:
    """A server that was set back lists a workspace no more: its pod ends; namespace and claim stay,
    with all that is needed to take it up again, and so they do for an agent that starts anew. Taken
    up, it has its files. Only the server's word, by what was found, removes it; another
    installation's is left alone."""
    desired = msgspec.structs.replace(
        desired_of(world), generation=3, owner=5, memo={"title": "app"}
    )
    name = desired.name
    first = WholeAgent(world, [desired])
    await first.until_state(name, ActualState.RUNNING)
    assert await file_in(first, name, "echo precious >/projects/file") == b""
    await first.kill()
    other = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": f"other-{name}",
            "labels": {
                "app.kubernetes.io/managed-by": "moorage",
                "moorage.dev/installation": "somebody-else",
            },
        },
    }
    await world.client.create(other)
    claims = [claim["metadata"]["uid"] for claim in await world.of(resources.VOLUME_CLAIM)]
    second = WholeAgent(world, [])
    found = await found_when(second, lambda found: bool(found) and not found[0].running)
    assert (found.generation, found.owner, found.memo) == (3, 5, {"title": "app"})
    assert found.spec == desired.spec

    async def no_pod() -> bool:
        return not await world.of(resources.POD)

    await eventually(no_pod, 60)
    await second.kill()
    third = WholeAgent(world, [])
    assert (await found_when(third, bool)).mark == found.mark
    assert [claim["metadata"]["uid"] for claim in await world.of(resources.VOLUME_CLAIM)] == claims
    third.fleet.snapshot([msgspec.structs.replace(desired, generation=4)])
    await third.until_state(name, ActualState.RUNNING)
    assert await file_in(third, name, "cat /projects/file") == b"precious\n"
    third.fleet.snapshot([])
    again = await found_when(third, lambda found: bool(found) and not found[0].running)
    third.fleet.remove_found(name, found.mark)  # as it was found before it was taken up
    await asyncio.sleep(1)
    assert await world.of(resources.VOLUME_CLAIM)
    third.fleet.remove_found(name, again.mark)

    async def gone() -> bool:
        return not await world.everything()

    await eventually(gone, 60)
    assert await world.client.get(resources.NAMESPACE, "", other["metadata"]["name"]) is not None
    await world.client.delete(resources.NAMESPACE, "", other["metadata"]["name"])
    await third.kill()


async def test_a_server_that_says_what_was_so_earlier(world: KubernetesWorld) -> None:
    """An agent that starts anew finds in the cluster that a workspace was stopped since; that an
    older word wants it to be deleted, or to run, changes nothing: namespace and claim stay as they
    are."""
    desired = desired_of(world)
    first = WholeAgent(world, [desired])
    await first.until_state(desired.name, ActualState.RUNNING)
    first.fleet.snapshot(
        [msgspec.structs.replace(desired, generation=2, desired=DesiredState.STOPPED)]
    )
    await first.until_state(desired.name, ActualState.STOPPED)

    async def recorded() -> bool:
        found = await first.runtime.observe(desired.name, None)
        return found.generation == 2

    await eventually(recorded)
    await first.kill()
    before = await world.everything()
    for older in (DesiredState.TERMINATED, DesiredState.RUNNING):
        agent = WholeAgent(world, [msgspec.structs.replace(desired, desired=older)])
        ahead = await found_when(agent, bool)
        assert (ahead.generation, ahead.desired) == (2, DesiredState.STOPPED)
        await agent.until_state(desired.name, ActualState.STOPPED)
        assert await world.everything() == before
        await agent.kill()


async def found_when(
    agent: WholeAgent, holds: Callable[[tuple[FoundWorkspace, ...]], bool]
) -> FoundWorkspace:
    """The first of what is told of what the server does not know, once `holds`."""
    last = None
    async with asyncio.timeout(60):
        while last is None or not holds(last):
            last = await agent.fleet.found(last)
    return last[0]


async def file_in(agent: WholeAgent, name: str, command: str) -> bytes:
    """What a command in its main container says."""
    request = ExecRequest(argv=("sh", "-c", command), stdin=False)
    async with agent.runtime.execute(name, request) as session:
        return b"".join([chunk.data async for chunk in session.output()])


async def test_a_namespace_that_cannot_go(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal that something holds up is told with the namespace's own words about it, and is
    done once that lets go."""
    monkeypatch.setattr(waiting, "GONE_SECONDS", 15.0)
    agent = await world.agent()
    desired = desired_of(world)
    assert (await agent.start(desired)).ready
    configmap = resources.Kind("ConfigMap", "v1", "configmaps")
    place = {"name": "held", "namespace": desired.name}
    await put(world.client, configmap, {"metadata": {**place, "finalizers": ["example.com/held"]}})
    with pytest.raises(RuntimeFault) as caught:
        await agent.runtime.remove(desired.name)
    assert (caught.value.cause.code, caught.value.final) == ("removal-slow", False)
    assert "example.com/held" in caught.value.cause.detail
    await world.edit(
        configmap, {"metadata": place}, {"op": "remove", "path": "/metadata/finalizers"}
    )
    await agent.runtime.remove(desired.name)
    assert await agent.runtime.names() == set()


async def test_a_workspace_keeps_its_settings_until_restarted(world: KubernetesWorld) -> None:
    """New settings touch no workspace that runs; a restart takes them."""
    desired = desired_of(world)
    first = await world.agent()
    await first.start(desired)
    pod = await world.pod(desired.name)
    changed = msgspec.structs.replace(world.settings, annotations={"example.com/new": "1"})
    second = await world.agent(settings=changed)
    observed = await second.runtime.observe(desired.name, desired)
    assert observed.run is not None
    assert observed.run.missing == ()
    await second.start(desired)
    assert writes(second.runtime) == 0
    again = msgspec.structs.replace(desired, restarts=1, generation=2)
    assert (await second.start(again, fresh=True)).ready
    new = await world.pod(desired.name)
    assert new["metadata"]["uid"] != pod["metadata"]["uid"]
    assert new["metadata"]["annotations"]["example.com/new"] == "1"


async def test_a_shared_namespace(world: KubernetesWorld) -> None:
    """In a namespace that all share, workspaces are told by their labels: removing one leaves the
    other and the namespace."""
    shared = f"shared-{world.identity.installation}"
    await world.client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shared}}
    )
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, shared_namespace=shared)
    )
    one, other = desired_of(world), desired_of(world)
    try:
        assert (await agent.start(one)).ready
        assert (await agent.start(other)).ready
        assert await agent.runtime.names() == {one.name, other.name}
        await agent.runtime.remove(one.name)
        assert await agent.runtime.names() == {other.name}
        run = (await agent.runtime.observe(other.name, other)).run
        assert run is not None
        assert run.progress.ready
        await agent.runtime.remove(other.name)
        assert await world.everything() == []
    finally:
        await world.client.delete(resources.NAMESPACE, "", shared)


async def test_a_shared_namespace_that_is_shared_no_more(world: KubernetesWorld) -> None:
    """A workspace whose volume is in a shared namespace runs on there when the setting is taken
    back; that makes the namespace nobody's, and terminating the workspace leaves it."""
    shared = f"shared-{world.identity.installation}"
    await world.client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shared}}
    )
    before = await world.client.get(resources.NAMESPACE, "", shared)
    assert before is not None
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, shared_namespace=shared)
    )
    desired = desired_of(world)
    try:
        assert (await agent.start(desired)).ready
        await agent.runtime.stop(desired.name)
        agent.backend.configure(world.settings, 2)
        assert (await agent.start(desired)).ready
        claim = await world.only(resources.VOLUME_CLAIM, desired.name)
        assert claim["metadata"]["namespace"] == shared
        await agent.runtime.remove(desired.name)
        assert await world.everything() == []
        after = await world.client.get(resources.NAMESPACE, "", shared)
        assert after is not None
        assert "deletionTimestamp" not in after["metadata"]
        assert after["metadata"].get("labels") == before["metadata"].get("labels")
    finally:
        await world.client.delete(resources.NAMESPACE, "", shared)


async def test_a_shared_namespace_that_was_seized(world: KubernetesWorld) -> None:
    """A namespace that carries a workspace's labels, but not its name, is given back when the
    workspace goes, not deleted."""
    shared, name = f"seized-{world.identity.installation}", world.new_name()
    labels = ownership.labels_for(world.identity, name)
    kept = {"example.com/kept": "1"}
    await world.client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": shared, "labels": kept}}
    )
    agent = await world.agent()
    try:
        await agent.runtime.client.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": shared, "labels": labels},
            }
        )

        async def known() -> bool:
            return name in await agent.runtime.names()

        await eventually(known)
        await agent.runtime.remove(name)
        after = await world.client.get(resources.NAMESPACE, "", shared)
        assert after is not None
        assert "deletionTimestamp" not in after["metadata"]
        assert kept.items() <= after["metadata"]["labels"].items()
        assert not labels.keys() & after["metadata"]["labels"].keys()
    finally:
        await world.client.delete(resources.NAMESPACE, "", shared)


async def test_a_namespace_of_somebody_else(world: KubernetesWorld) -> None:
    """A workspace whose namespace is there already, and is not its own, fails and says so; the
    namespace stays as it is, also when the workspace is terminated."""
    desired = desired_of(world)
    item = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": desired.name, "labels": {"example.com/team": "blue"}},
    }
    await world.client.create(item)
    before = await world.client.get(resources.NAMESPACE, "", desired.name)
    agent = WholeAgent(world, [desired])
    try:
        said = await agent.until_state(desired.name, ActualState.FAILED)
        assert said.cause is not None
        assert said.cause.code == "namespace-taken"
        agent.fleet.change(
            msgspec.structs.replace(desired, generation=2, desired=DesiredState.TERMINATED)
        )
        await agent.until_state(desired.name, ActualState.TERMINATED)
        after = await world.client.get(resources.NAMESPACE, "", desired.name)
        assert before is not None
        assert after is not None
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["metadata"].get("labels") == before["metadata"].get("labels")
        assert await world.everything() == []
    finally:
        await agent.kill()
        await world.client.delete(resources.NAMESPACE, "", desired.name)


async def test_steps_volumes_credentials_and_sidecars(world: KubernetesWorld) -> None:
    """The whole of a devfile: a private repository cloned with a credential that no object holds, a
    preStart step that works on it, a volume that two containers share, and variables that are no
    names in C."""
    step = Container(
        name="prepare",
        image=world.image,
        command=("sh", "-c"),
        args=("cp /projects/app/hello.txt /cache/from-step",),
        volume_mounts=(VolumeMount(volume="cache", path="/cache"),),
    )
    main = Container(
        name="py",
        image=world.image,
        override_command=True,
        env={"A.DOT": "1", "TOKEN": "s3cret-value"},
        volume_mounts=(VolumeMount(volume="cache", path="/cache"),),
    )
    project = Project(
        name="app", clone_path="app", url=world.closed_repository(), credential=world.credential()
    )
    spec = simple_spec(
        world,
        containers=(main,),
        init_containers=(step,),
        projects=(project,),
        volumes=(Volume(name="cache", size=10 * 1024**2),),
    )
    desired = desired_of(world, spec=spec)
    agent = await world.agent()
    assert (await agent.start(desired)).fault is None
    place = containers.place(agent.runtime.connection.store, desired.name, "")
    # A shell hands on no variable whose name it could not have itself: what the container was given
    # is in its first process.
    script = (
        "cat /cache/from-step; tr '\\0' '\\n' </proc/1/environ; git -C /projects/app remote -v; id"
    )
    code, text = await commands.run(agent.runtime.client, place, ["sh", "-c", script])
    assert code == 0
    for words in ("hello 0", "A.DOT=1", "TOKEN=s3cret-value", "uid=5001", "gid=0"):
        assert words in text, text
    objects = [item for kind in resources.WATCHED for item in await world.of(kind, desired.name)]
    everything = msgspec.json.encode(objects).decode()
    assert "s3cret-of-alice" not in everything
    assert "s3cret-value" not in everything


async def test_time_from_wish_to_objects(world: KubernetesWorld) -> None:
    """All objects of a new workspace are applied within two seconds, even on a busy machine; asking
    again takes no request."""
    agent = await world.agent()
    desired = desired_of(world)
    began = time.monotonic()
    await agent.runtime.start(desired, received=time.time())
    took = time.monotonic() - began
    FIGURES.note("from a wish to all its objects", took, "s")
    before = agent.runtime.client.bucket.taken
    await agent.runtime.start(desired, received=time.time())
    assert took < 2
    assert agent.runtime.client.bucket.taken == before


async def test_watches_go_on_where_they_ended(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server ends each watch after a while: it is resumed, bookmarks or not, without
    listing anything again, and what happened in between is heard of."""
    monkeypatch.setattr(client, "WATCH_SECONDS", 1)
    agent = await world.agent()
    desired = desired_of(world)
    assert (await agent.start(desired)).ready
    requests = agent.runtime.client.requests
    listed = sum(count for (verb, _, _), count in requests.items() if verb == "list")

    def watched() -> int:
        return requests["watch", "Service", 200]

    before = watched()
    await eventually(lambda: asyncio.sleep(0, watched() > before + 2))
    await world.client.delete(resources.SERVICE, desired.name, desired.name)

    async def heard() -> bool:
        run = (await agent.runtime.observe(desired.name, desired)).run
        return run is not None and "its service" in run.missing

    await eventually(heard)
    store = agent.runtime.connection.store
    assert store.relists == 0
    assert sum(count for (verb, _, _), count in requests.items() if verb == "list") == listed
