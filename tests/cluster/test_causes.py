"""Why a workspace does not start, in the cluster's own words, and how soon that is known."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.accounts import put
from cluster.figures import FIGURES
from cluster.webhook import STORAGE_CLASS, WEBHOOK, RefusingWebhook
from cluster.worlds import KubernetesWorld, WholeAgent
from integration.runtimes.private_site import PrivateCA
from integration.runtimes.worlds import EDITOR, Agent, desired_of, simple_spec
from moorage.agent.runtimes.kubernetes.api import commands, resources
from moorage.agent.runtimes.kubernetes.observed import containers
from moorage.agent.runtimes.ownership import INSTALLATION
from moorage.contract import (
    ActualState,
    Container,
    DesiredWorkspace,
    Resources,
    StageName,
    Volume,
    VolumeMount,
    WorkspaceSpec,
)
from moorage.workspace_settings import Amounts, ResourceSettings

GIB = 1024**3


async def fault_of(agent: Agent, desired: DesiredWorkspace) -> Any:
    progress = await agent.start(desired)
    assert progress.fault is not None, progress
    return progress.fault


def with_main(world: KubernetesWorld, **fields: Any) -> WorkspaceSpec:
    given: dict[str, Any] = {"name": "py", "image": world.image, "override_command": True, **fields}
    return simple_spec(world, containers=(Container(**given),))


async def test_an_image_that_needs_a_sign_in(world: KubernetesWorld) -> None:
    """The registry's refusal is told at once, without waiting for the node to try again."""
    agent = await world.agent()
    began = time.time()
    fault = await fault_of(
        agent, desired_of(world, spec=with_main(world, image=world.private_image))
    )
    assert fault.code == "image-denied"
    assert "authori" in fault.detail.lower()
    FIGURES.note("an image that its registry refuses: told after", time.time() - began, "s")
    assert time.time() - began < 30


async def test_an_unknown_storage_class(world: KubernetesWorld) -> None:
    """A StorageClass that the cluster does not have is named, with the setting to correct; once
    that is corrected, the next start succeeds."""
    storage = msgspec.structs.replace(world.settings.storage, class_="nowhere")
    agent = await world.agent(settings=msgspec.structs.replace(world.settings, storage=storage))
    desired = desired_of(world)
    fault = await fault_of(agent, desired)
    assert fault.code == "storage-class-not-found"
    assert "nowhere" in fault.message
    assert "storage.class" in fault.hint
    await agent.runtime.halt(desired.name)
    agent.backend.configure(world.settings, 2)
    again = msgspec.structs.replace(desired, restarts=1, generation=2)
    progress = await agent.start(again, fresh=True)
    assert progress.ready, progress.fault
    claim = await world.only(resources.VOLUME_CLAIM, desired.name)
    assert claim["spec"]["storageClassName"] != "nowhere"


async def test_more_than_the_quota(world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace that asks for more than it may have is told so at once, and refused a while later
    (half a minute, outside of tests), with what it asked for."""
    monkeypatch.setattr("moorage.agent.runtimes.kubernetes.starting.progress.REFUSED_FOR", 8.0)
    limits = ResourceSettings(limits=Amounts(memory="1Gi"))
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, max_resources_per_workspace=limits)
    )
    resources_asked = Resources(memory_request=64 * 1024**2, memory_limit=3 * GIB)
    desired = desired_of(world, spec=with_main(world, resources=resources_asked))
    await agent.runtime.start(desired, received=time.time())
    await agent.runtime.observe(desired.name, desired)

    def told() -> bool:
        stages = agent.runtime.progress(desired.name).stages
        return any(s.name is StageName.CONTAINERS and "quota allows" in s.detail for s in stages)

    await agent.hearing.until(told)
    assert agent.runtime.progress(desired.name).fault is None
    fault = (await agent.settled(desired)).fault
    assert fault is not None
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
    """While no node has room, the stage says which resource is short; with no end of that, it is
    the fault."""
    agent = await world.agent(schedule_timeout=6.0)
    asked = Resources(memory_request=4000 * GIB)
    desired = desired_of(world, spec=with_main(world, resources=asked))
    await agent.runtime.start(desired, received=time.time())
    await agent.runtime.observe(desired.name, desired)

    def waits() -> bool:
        stages = agent.runtime.progress(desired.name).stages
        return any(s.name is StageName.CONTAINERS and "enough memory" in s.detail for s in stages)

    await agent.hearing.until(waits)
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


async def test_a_refused_object(world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cluster's admission refuses is told in its own words."""
    monkeypatch.setattr("moorage.agent.runtimes.kubernetes.starting.progress.REFUSED_FOR", 3.0)
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
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    await agent.runtime.start(desired, received=time.time())

    async def hopeless() -> Any:
        run = (await agent.runtime.observe(desired.name, desired)).run
        assert run is not None
        return next((c for c in run.containers if c.name == "side" and c.hopeless), None)

    found = await agent.hearing.until_true(hopeless)
    assert found.fault.code == "command-not-found"
    assert "no-such-program" in found.fault.detail


async def test_an_editor_that_never_answers(world: KubernetesWorld) -> None:
    """An editor that does not open its port in time is the fault, with the main container's last
    lines."""
    agent = await world.agent(editor_timeout=10.0)
    editor = msgspec.structs.replace(EDITOR, command=("sh", "-c", "echo thinking; sleep 600"))
    desired = desired_of(world, spec=simple_spec(world, editor=editor))
    fault = await fault_of(agent, desired)
    assert fault.code == "editor-port-not-open"
    assert "thinking" in fault.detail


async def test_side_containers_fail_by_themselves(world: KubernetesWorld) -> None:
    """The whole agent: a side container that ends again and again, and one whose image is not to
    be had, leave the workspace Running, with trouble, for longer than a crash loop of the main
    container would be borne; the log of the one can be read."""
    spec = simple_spec(world)
    side = Container(name="side", image=world.crashing_image)
    lost = Container(name="lost", image=world.missing_image)
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side, lost))
    )
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING, 150)

    def often() -> bool:
        said = agent.last[desired.name]
        assert said.state is ActualState.RUNNING
        restarts = {c.name: c.restarts for c in said.containers}["side"]
        return len(said.trouble) == 2 and restarts >= 4

    await agent.until(often, timeout=300)
    troubles = {trouble.code: trouble for trouble in agent.last[desired.name].trouble}
    assert set(troubles) == {"container-crashed", "image-not-found"}
    assert "about to fail" in troubles["container-crashed"].detail
    assert agent.last[desired.name].address
    log = b"".join([chunk.data async for chunk in agent.runtime.logs(desired.name, "side")])
    assert b"about to fail" in log
    await agent.kill()


async def test_an_autoscaler_that_acts(world: KubernetesWorld) -> None:
    """While an autoscaler says that it adds a node, the stage says so, with how long that takes; it
    goes on waiting."""
    agent = await world.agent()
    desired = desired_of(
        world, spec=with_main(world, resources=Resources(memory_request=4000 * GIB))
    )
    await agent.runtime.start(desired, received=time.time())
    await agent.runtime.observe(desired.name, desired)
    pod = await world.pod(desired.name)
    reference = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{reference['name']}.scale", "namespace": desired.name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", **reference},
        "type": "Normal",
        "reason": "TriggeredScaleUp",
        "message": "pod triggered scale-up: [{pool 1->2 (max: 5)}]",
        "source": {"component": "cluster-autoscaler"},
    }
    await world.client.create(event)

    def told() -> str:
        stages = agent.runtime.progress(desired.name).stages
        return next((s.detail for s in stages if "node is being added" in s.detail), "")

    detail = await agent.hearing.until(told)
    assert "enough memory" in detail
    assert "about 3 minutes" in detail
    assert "1->2" in detail
    assert agent.runtime.progress(desired.name).fault is None


async def test_a_volume_that_nobody_makes(world: KubernetesWorld) -> None:
    """While a provisioner does not act, the stage says what is waited for; with no end of that, it
    is the fault."""
    name = f"nobody-{world.identity.installation}"
    await put(
        world.client,
        STORAGE_CLASS,
        {"metadata": {"name": name}, "provisioner": "example.com/nobody"},
    )
    storage = msgspec.structs.replace(world.settings.storage, class_=name)
    settings = msgspec.structs.replace(world.settings, storage=storage)
    agent = await world.agent(settings=settings, schedule_timeout=8.0)
    desired = desired_of(world)
    try:
        await agent.runtime.start(desired, received=time.time())
        await agent.runtime.observe(desired.name, desired)

        def told() -> bool:
            stages = agent.runtime.progress(desired.name).stages
            return any(
                s.name is StageName.VOLUME and "example.com/nobody" in s.detail for s in stages
            )

        await agent.hearing.until(told)
        fault = (await agent.settled(desired)).fault
        assert fault is not None
        assert fault.code == "volume-pending"
        assert "example.com/nobody" in fault.detail
    finally:
        await world.client.delete(STORAGE_CLASS, "", name)


async def test_more_memory_than_the_limit(world: KubernetesWorld) -> None:
    """A container that uses more memory than it may is ended, and that is said, with the setting to
    raise."""
    agent = await world.agent()
    spec = simple_spec(world)
    hog = Container(
        name="hog",
        image=world.image,
        command=("sh", "-c", "echo growing; tail /dev/zero"),
        resources=Resources(memory_limit=32 * 1024**2),
    )
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, hog))
    )
    await agent.runtime.start(desired, received=time.time())

    async def ended() -> Any:
        run = (await agent.runtime.observe(desired.name, desired)).run
        faults = [c.fault for c in run.containers if c.name == "hog" and c.fault] if run else []
        # An engine may hear of the end before it hears of its reason: the next one has it.
        return next((fault for fault in faults if fault.code == "out-of-memory"), None)

    fault = await agent.hearing.until_true(ended, timeout=120)
    assert "growing" in fault.detail
    assert "memoryLimit" in fault.hint


async def test_eviction_by_the_node(world: KubernetesWorld) -> None:
    """A pod that its node puts out (here for writing more to an ephemeral volume than it may) is
    made anew; meanwhile the reason is told, and the home's files are there again."""
    main = Container(
        name="py",
        image=world.image,
        override_command=True,
        volume_mounts=(VolumeMount(volume="scratch", path="/scratch"),),
    )
    volume = Volume(name="scratch", ephemeral=True, size=2 * 1024**2)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,), volumes=(volume,)))
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)
    pod = await world.pod(desired.name)
    place = containers.place(agent.runtime.connection.store, desired.name, "")
    script = "echo kept >~/file; head -c 30000000 /dev/zero >/scratch/big"
    assert (await commands.run(agent.runtime.client, place, ["sh", "-c", script]))[0] == 0

    def told() -> bool:
        stages = agent.last[desired.name].stages
        return any("more disk space than it may" in stage.detail for stage in stages)

    began = time.monotonic()
    await agent.until(told, 150)
    FIGURES.note(
        "more than an ephemeral volume holds: put out after", time.monotonic() - began, "s"
    )
    began = time.monotonic()
    await agent.until_state(desired.name, ActualState.RUNNING)
    FIGURES.note("put out by its node: runs again after", time.monotonic() - began, "s")
    assert (await world.pod(desired.name))["metadata"]["uid"] != pod["metadata"]["uid"]
    place = containers.place(agent.runtime.connection.store, desired.name, "")
    assert (await commands.run(agent.runtime.client, place, ["sh", "-c", "cat ~/file"])) == (
        0,
        "kept\n",
    )
    await agent.kill()


def hook_at(world: KubernetesWorld, url: str, ca: PrivateCA) -> dict[str, Any]:
    """An admission webhook for the pods of this world's workspaces, on the API server's own
    machine."""
    world.own_cluster()
    return {
        "name": "policy.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {
            "url": url,
            "caBundle": base64.b64encode(ca.certificate.encode()).decode(),
        },
        "namespaceSelector": {"matchLabels": {INSTALLATION: world.identity.installation}},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
            }
        ],
    }


async def test_a_webhook_that_does_not_answer(world: KubernetesWorld, tmp_path: Path) -> None:
    """While a webhook that must agree to the pod does not answer, that is said, and the start goes
    on once it is over."""
    ca = PrivateCA(tmp_path)
    hook = hook_at(world, "https://127.0.0.1:9/refuse", ca)
    name = f"mrtest-{world.identity.installation}"
    await put(world.client, WEBHOOK, {"metadata": {"name": name}, "webhooks": [hook]})
    try:
        agent = await world.agent()
        await asyncio.sleep(2.0)  # the API server takes note of it some time later
        desired = desired_of(world)
        await agent.runtime.start(desired, received=time.time())
        await agent.runtime.observe(desired.name, desired)

        def told() -> bool:
            stages = agent.runtime.progress(desired.name).stages
            return any("(policy.example.com) does not answer" in stage.detail for stage in stages)

        await agent.hearing.until(told)
        assert agent.runtime.progress(desired.name).fault is None
    finally:
        await world.client.delete(WEBHOOK, "", name)
    progress = await agent.settled(desired)
    assert progress.ready, progress.fault


async def test_a_policy_that_refuses(
    world: KubernetesWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admission webhook that does not let a pod pass is named, with its own words."""
    monkeypatch.setattr("moorage.agent.runtimes.kubernetes.starting.progress.REFUSED_FOR", 3.0)
    ca = PrivateCA(tmp_path)
    webhook = RefusingWebhook(ca.context("127.0.0.1"), "no workspaces on Fridays")
    name = f"mrtest-{world.identity.installation}"
    hook = hook_at(world, webhook.url, ca)
    await put(world.client, WEBHOOK, {"metadata": {"name": name}, "webhooks": [hook]})
    try:
        agent = await world.agent()
        await asyncio.sleep(2.0)  # the API server takes note of it some time later
        fault = await fault_of(agent, desired_of(world))
        assert fault.code == "admission-refused"
        assert "policy.example.com" in fault.message
        assert "no workspaces on Fridays" in fault.detail
    finally:
        await world.client.delete(WEBHOOK, "", name)
        webhook.close()


async def test_a_policy_that_refuses_a_side_container(
    world: KubernetesWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a policy lets the pod not pass for a side container's image, the workspace runs without
    that container, with trouble in the policy's words; without the policy, a restart has it
    again."""
    monkeypatch.setattr("moorage.agent.runtimes.kubernetes.starting.progress.REFUSED_FOR", 3.0)
    refused = "registry.evil.example/db:1"
    ca = PrivateCA(tmp_path)
    words = f"image {refused} is from a registry that is not allowed"
    webhook = RefusingWebhook(ca.context("127.0.0.1"), words, image=refused)
    name = f"mrtest-{world.identity.installation}"
    await put(
        world.client,
        WEBHOOK,
        {"metadata": {"name": name}, "webhooks": [hook_at(world, webhook.url, ca)]},
    )
    spec = simple_spec(world)
    side = Container(name="db", image=refused)
    spec = msgspec.structs.replace(spec, containers=(*spec.containers, side))
    desired = desired_of(world, spec=spec)
    agent = WholeAgent(world, [])
    try:
        await asyncio.sleep(2.0)  # the API server takes note of it some time later
        agent.fleet.change(desired)
        said = await agent.until_state(desired.name, ActualState.RUNNING)
        [trouble] = said.trouble
        assert trouble.code == "admission-refused"
        assert "It is about its container db." in trouble.message
        assert words in trouble.detail
        assert "when the workspace is restarted" in trouble.hint
        assert {c.name for c in said.containers} == {"py", "db"}
    finally:
        await world.client.delete(WEBHOOK, "", name)
        webhook.close()
    await asyncio.sleep(2.0)
    agent.fleet.change(msgspec.structs.replace(desired, generation=2, restarts=1))

    def tries_it_again() -> bool:
        last = agent.last[desired.name]
        codes = {trouble.code for trouble in last.trouble}
        return last.generation == 2 and bool(codes) and "admission-refused" not in codes

    await agent.until(tries_it_again)
    await agent.kill()


async def test_a_side_containers_registry_that_is_not_asked(world: KubernetesWorld) -> None:
    """A side container's image of the machine's own network is not pulled, and the workspace runs
    without it; the main container's fails the start."""
    spec = simple_spec(world)
    side = Container(name="db", image="10.9.9.9:5000/db:1")
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    agent = WholeAgent(world, [desired])
    said = await agent.until_state(desired.name, ActualState.RUNNING)
    assert [trouble.code for trouble in said.trouble] == ["registry-denied"]
    main = desired_of(world, spec=with_main(world, image="10.9.9.9:5000/main:1"))
    agent.fleet.change(main)
    failed = await agent.until_state(main.name, ActualState.FAILED)
    assert failed.cause is not None
    assert failed.cause.code == "registry-denied"
    await agent.kill()


async def test_what_keeps_the_editor_from_starting_is_mended_from_inside(
    world: KubernetesWorld,
) -> None:
    """A main container that ends again and again is replaced by one of another image, with the same
    files and an editor, under the same rules; what is mended there holds at the next restart."""
    broken = "[ $HOME != /projects/.home ] || [ -e ~/mended ] || { echo bad settings; exit 5; }; "
    *shell, line = EDITOR.command
    editor = msgspec.structs.replace(EDITOR, command=(*shell, broken + line))
    side = Container(name="db", image=world.image, override_command=True)
    spec = simple_spec(world, editor=editor)
    spec = msgspec.structs.replace(spec, containers=(*spec.containers, side))
    desired = msgspec.structs.replace(desired_of(world, spec=spec), rescue_image=world.image)
    began = time.monotonic()
    agent = WholeAgent(world, [desired])
    said = await agent.until_state(desired.name, ActualState.RUNNING)
    FIGURES.note("an editor that always ends: runs for repair after", time.monotonic() - began, "s")
    assert said.rescue
    assert said.trouble[0].code == "editor-crashed"
    assert "bad settings" in said.trouble[0].detail
    assert [container.name for container in said.containers] == ["py"]
    pod = await world.pod(desired.name)
    [main] = [each for each in pod["spec"]["containers"] if each["name"] == "py"]
    assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    place = commands.Place(desired.name, pod["metadata"]["name"], "py")
    argv = ["sh", "-c", "ls /projects/app && touch /projects/.home/mended"]
    assert (await commands.run(agent.runtime.client, place, argv))[0] == 0
    await agent.kill()
    agent = WholeAgent(world, [desired])
    assert (await agent.until_state(desired.name, ActualState.RUNNING)).rescue
    agent.fleet.change(msgspec.structs.replace(desired, generation=2, restarts=1))
    await agent.until(
        lambda: (
            agent.last[desired.name].generation == 2
            and agent.last[desired.name].state is ActualState.RUNNING
        )
    )
    said = agent.last[desired.name]
    assert (said.rescue, said.trouble) == (False, ())
    assert {container.name for container in said.containers} == {"py", "db"}
    await agent.kill()


async def test_one_that_is_broken_delays_no_other(world: KubernetesWorld) -> None:
    """Beside workspaces that cannot start, a sound one starts as if it were alone."""
    alone, sound = desired_of(world), desired_of(world)
    began = time.monotonic()
    agent = WholeAgent(world, [alone])
    await agent.until_state(alone.name, ActualState.RUNNING)
    usual = time.monotonic() - began
    await agent.kill()
    broken = [
        desired_of(world, spec=with_main(world, image=world.missing_image)) for _ in range(3)
    ] + [desired_of(world, spec=with_main(world, resources=Resources(memory_request=4000 * GIB)))]
    began = time.monotonic()
    agent = WholeAgent(world, [alone, *broken, sound])
    await agent.until_state(sound.name, ActualState.RUNNING)
    took = time.monotonic() - began
    FIGURES.note("a sound workspace alone: runs after", usual, "s")
    FIGURES.note("a sound workspace beside four broken ones: runs after", took, "s")
    for desired in broken[:3]:
        said = await agent.until_state(desired.name, ActualState.FAILED)
        assert said.cause is not None
        assert said.cause.code == "image-not-found"
    assert agent.last[broken[3].name].state is ActualState.STARTING
    # The node pulls and starts for all of them. Whoever waited for one of the broken ones would
    # wait for ten minutes.
    assert took < 3 * usual + 60
    await agent.kill()
