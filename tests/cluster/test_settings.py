"""What a platform team may set, on a real cluster: placement, rights, secrets for registries, user
namespaces, CAs, rates."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cluster.accounts import put, read_pull_secrets
from cluster.worlds import KubernetesWorld, WholeAgent, eventually
from integration.runtimes.languages.image import languages_image
from integration.runtimes.private_site import SECRET, PrivateSite
from integration.runtimes.worlds import desired_of, docker, simple_spec
from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api import commands, resources
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import Kind, Object
from moorage.agent.runtimes.kubernetes.cluster import discovery, pull_secrets
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.observed import containers
from moorage.agent.runtimes.kubernetes.runtime import KubernetesRuntime
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import ActualState, Container, DesiredWorkspace, Project, Resources
from moorage.kernel.clock import SystemClock
from moorage.kernel.ids import short_id
from moorage.workspace_settings import (
    Amounts,
    Proxy,
    PullSecret,
    ResourceSettings,
    Toleration,
    decode,
    encode,
)

PRIORITY = Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", namespaced=False)
RUNTIME_CLASS = Kind("RuntimeClass", "node.k8s.io/v1", "runtimeclasses", namespaced=False)


async def in_pod(runtime: KubernetesRuntime, desired: DesiredWorkspace, script: str) -> str:
    """What a shell in the main container says."""
    place = containers.place(runtime.connection.store, desired.name, "")
    code, text = await commands.run(runtime.client, place, ["sh", "-c", script])
    assert code == 0, text
    return text


async def patch_node(world: KubernetesWorld, name: str, patch: dict[str, Any]) -> None:
    """RFC 7386."""
    await world.client._json(
        "patch",
        resources.NODE,
        resources.NODE.path("", name),
        method="PATCH",
        body=patch,
        content="application/merge-patch+json",
    )


async def test_every_setting_of_a_pod_at_once(world: KubernetesWorld) -> None:
    """Placement, priority, runtime class, labels, annotations, pull secrets, resources and
    privilege: the pod that runs has them all."""
    world.own_cluster()
    node = (await world.client.list_all(resources.NODE))[0]["metadata"]["name"]
    mark, key = world.identity.installation, "moorage.dev/test-pool"
    await put(world.client, PRIORITY, {"metadata": {"name": mark}, "value": 77})
    await put(world.client, RUNTIME_CLASS, {"metadata": {"name": mark}, "handler": "runc"})
    await patch_node(world, node, {"metadata": {"labels": {key: mark}}})
    await patch_node(
        world, node, {"spec": {"taints": [{"key": key, "value": mark, "effect": "NoSchedule"}]}}
    )
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": [mark]}]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}
        }
    }
    source = await registry_secret(world, "eA==")
    settings = msgspec.structs.replace(
        world.settings,
        node_selector={key: mark},
        tolerations=(Toleration(key=key, value=mark, effect="NoSchedule"),),
        affinity=affinity,
        priority_class=mark,
        default_runtime_class=mark,
        labels={"team": "blue"},
        annotations={"example.com/cost-centre": "42"},
        image_pull_secrets=(source,),
        allow_privilege_escalation=True,
        default_resources_per_workspace_container=ResourceSettings(
            requests=Amounts(cpu="20m", memory="64Mi"), limits=Amounts(cpu="1", memory="512Mi")
        ),
        max_resources_per_workspace=ResourceSettings(limits=Amounts(cpu="3", memory="3Gi")),
        proxy=Proxy(no_proxy=".example.com"),
    )
    try:
        agent = await world.agent(settings=settings)
        desired = desired_of(world)
        progress = await agent.start(desired)
        assert progress.ready, progress.fault
        pod = await world.pod(desired.name)
        spec, main = pod["spec"], next(c for c in pod["spec"]["containers"] if c["name"] == "py")
        assert spec["nodeSelector"] == {key: mark}
        assert {"key": key, "operator": "Equal", "value": mark, "effect": "NoSchedule"} in spec[
            "tolerations"
        ]
        assert spec["affinity"] == affinity
        assert (spec["priorityClassName"], spec["priority"], spec["runtimeClassName"]) == (
            mark,
            77,
            mark,
        )
        assert spec["imagePullSecrets"] == [{"name": source.name}]
        assert main["resources"]["limits"] == {
            "cpu": "1",
            "memory": "512Mi",
            "ephemeral-storage": "10Gi",
        }
        assert pod["metadata"]["labels"]["team"] == "blue"
        assert pod["metadata"]["annotations"]["example.com/cost-centre"] == "42"
        for kind in (
            resources.SECRET,
            resources.SERVICE,
            resources.QUOTA,
            resources.NETWORK_POLICY,
        ):
            for item in await world.of(kind, desired.name):
                labels = item["metadata"]["labels"]
                assert labels.get("team") == "blue" or "moorage.dev/record" in labels
        said = await in_pod(agent.runtime, desired, "cat /proc/self/status; echo $NO_PROXY")
        assert "NoNewPrivs:\t0" in said
        assert ".example.com" in said
    finally:
        await patch_node(
            world, node, {"metadata": {"labels": {key: None}}, "spec": {"taints": None}}
        )
        await world.client.delete(PRIORITY, "", mark)
        await world.client.delete(RUNTIME_CLASS, "", mark)
        await world.client.delete(resources.NAMESPACE, "", source.namespace)


async def test_a_request_above_an_equal_share_of_the_maximum(world: KubernetesWorld) -> None:
    """A container that asks for more than its share of the workspace's maximum gets it, and the
    rest is what its neighbour may use."""
    most = ResourceSettings(limits=Amounts(cpu="2", memory="1Gi"))
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, max_resources_per_workspace=most)
    )
    main = Container(
        name="py",
        image=world.image,
        override_command=True,
        resources=Resources(memory_request=700 * 1024**2),
    )
    other = Container(name="other", image=world.image, override_command=True, mount_sources=False)
    desired = desired_of(world, spec=simple_spec(world, containers=(main, other)))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    pod = await world.pod(desired.name)
    limits = {c["name"]: c["resources"]["limits"]["memory"] for c in pod["spec"]["containers"]}
    assert (limits["py"], limits["other"]) == ("700Mi", "324Mi")


async def test_a_setuid_program_works_where_escalation_is_allowed(
    world: KubernetesWorld, tmp_path: Path
) -> None:
    """What sudo needs: as user 5001, a program that belongs to root and is setuid runs as root,
    with the capabilities that the runtime gives; without the setting it runs as before, with
    none."""
    recipe = (
        f"FROM {world.image}\nUSER root\n"
        "RUN cp $(command -v cat) /usr/local/bin/as-root && chmod 4755 /usr/local/bin/as-root\nUSER 5001:0\n"
    )
    (tmp_path / "Dockerfile").write_text(recipe)
    image = f"mrtest-setuid:{short_id()}"
    docker("build", "-q", "-t", image, str(tmp_path))
    try:
        world.cluster.load(image)
        main = Container(name="py", image=image, override_command=True)
        for allowed, user, none in (
            (True, "Uid:\t5001\t0\t0\t0", False),
            (False, "Uid:\t5001\t5001\t", True),
        ):
            settings = msgspec.structs.replace(world.settings, allow_privilege_escalation=allowed)
            agent = await world.agent(settings=settings)
            desired = desired_of(world, spec=simple_spec(world, containers=(main,)))
            progress = await agent.start(desired)
            assert progress.ready, progress.fault
            said = await in_pod(agent.runtime, desired, "as-root /proc/self/status")
            assert user in said
            assert ("CapEff:\t0000000000000000" in said) is none
            itself = await in_pod(agent.runtime, desired, "cat /proc/self/status")
            assert "CapEff:\t0000000000000000" in itself
    finally:
        docker("rmi", image)


async def test_no_privilege_by_default(world: KubernetesWorld) -> None:
    """A workspace's processes have no capability and no way to get one, a system call filter, and
    no account's token."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    script = "cat /proc/self/status; ls /var/run/secrets/kubernetes.io 2>&1; env"
    said = await in_pod(agent.runtime, desired, script)
    for line in (
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "Seccomp:\t2",
    ):
        assert line in said
    assert "No such file" in said
    assert "_SERVICE_HOST=1" not in said.replace("KUBERNETES_SERVICE_HOST", "")


def pull_data(token: str) -> dict[str, str]:
    """Of a registry's secret, as the API server keeps it."""
    config = json.dumps({"auths": {"registry.example.com": {"auth": token}}})
    return {".dockerconfigjson": base64.b64encode(config.encode()).decode()}


async def registry_secret(world: KubernetesWorld, token: str) -> PullSecret:
    """As a platform team keeps it, in a namespace of their own."""
    space = f"platform-{world.identity.installation}"
    await put(world.client, resources.NAMESPACE, {"metadata": {"name": space}})
    await read_pull_secrets(world.client, space)
    secret = {
        "metadata": {"name": "registry", "namespace": space},
        "type": "kubernetes.io/dockerconfigjson",
        "data": pull_data(token),
    }
    await put(world.client, resources.SECRET, secret)
    return PullSecret(name="registry", namespace=space)


async def test_pull_secrets_follow_their_source(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry's secret is copied into the workspace; when its owner renews it, so is the copy,
    and nothing is restarted."""
    monkeypatch.setattr(pull_secrets, "LOOK_EVERY", 1.0)
    source = await registry_secret(world, "b25l")
    desired = desired_of(world)
    settings = msgspec.structs.replace(world.settings, image_pull_secrets=(source,))
    agent = WholeAgent(world, [desired], settings=settings)
    await agent.until_state(desired.name, ActualState.RUNNING)
    pod = await world.pod(desired.name)

    async def copy() -> Object:
        found = await world.client.get(resources.SECRET, desired.name, "registry")
        assert found is not None
        return found

    assert (await copy())["data"] == pull_data("b25l")
    await registry_secret(world, "dHdv")

    async def renewed() -> bool:
        return bool((await copy())["data"] == pull_data("dHdv"))

    await eventually(renewed)
    assert (await world.pod(desired.name))["metadata"]["uid"] == pod["metadata"]["uid"]
    await agent.kill()
    await world.client.delete(resources.NAMESPACE, "", source.namespace)


async def test_a_repair_needs_no_source_of_a_pull_secret(world: KubernetesWorld) -> None:
    """What runs goes on when a pull secret's source is gone, and is repaired. Where its copy is
    gone, too, all else is mended, and that is said of a workspace that is Running, until the source
    is back."""
    source = await registry_secret(world, "b25l")
    desired = desired_of(world)
    settings = msgspec.structs.replace(world.settings, image_pull_secrets=(source,))
    agent = WholeAgent(world, [desired], settings=settings)
    await agent.until_state(desired.name, ActualState.RUNNING)
    pod = await world.pod(desired.name)
    await world.client.delete(resources.SECRET, source.namespace, source.name)
    await world.client.delete(resources.SERVICE, desired.name, desired.name)

    async def mended() -> bool:
        return len(await world.of(resources.SERVICE, desired.name)) == 1

    await eventually(mended)
    assert agent.last[desired.name].state is ActualState.RUNNING
    await agent.kill()
    await world.client.delete(resources.SECRET, desired.name, source.name)
    await world.client.delete(resources.SERVICE, desired.name, desired.name)
    agent = WholeAgent(world, [desired], settings=settings)
    seen: list[ActualState] = []

    def told(code: str) -> bool:
        if (said := agent.last.get(desired.name)) is None:
            return False
        seen.append(said.state)
        return (said.cause.code if said.cause is not None else "") == code

    await agent.until(lambda: told("pull-secret-missing"))
    await eventually(mended)
    await registry_secret(world, "dHdv")
    await agent.until(lambda: told(""))
    assert agent.last[desired.name].state is ActualState.RUNNING
    assert ActualState.FAILED not in seen
    assert (await world.pod(desired.name))["metadata"]["uid"] == pod["metadata"]["uid"]
    await agent.kill()
    await world.client.delete(resources.NAMESPACE, "", source.namespace)


async def test_a_pull_secret_that_is_not_there(world: KubernetesWorld) -> None:
    """It is named, and nothing is started."""
    settings = msgspec.structs.replace(
        world.settings, image_pull_secrets=(PullSecret(name="nothing", namespace="default"),)
    )
    agent = await world.agent(settings=settings)
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired_of(world))
    assert caught.value.cause.code == "pull-secret-missing"
    assert "default/nothing" in caught.value.cause.message


async def test_a_secret_that_is_for_something_else(world: KubernetesWorld) -> None:
    """Only what nodes pull images with is copied into workspaces: settings can lead no other Secret
    there."""
    secret = {
        "metadata": {"name": "tokens", "namespace": "default"},
        "type": "Opaque",
        "data": {"token": "eA=="},
    }
    await put(world.client, resources.SECRET, secret)
    settings = msgspec.structs.replace(
        world.settings, image_pull_secrets=(PullSecret(name="tokens", namespace="default"),)
    )
    agent = await world.agent(settings=settings)
    desired = desired_of(world)
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired)
    assert caught.value.cause.code == "pull-secret-type"
    assert not [
        s
        for s in await world.of(resources.SECRET, desired.name)
        if "token" in (s.get("data") or {})
    ]
    await world.client.delete(resources.SECRET, "default", "tokens")


async def test_a_secret_that_only_a_deployment_names(world: KubernetesWorld) -> None:
    """Whoever may edit a workspace's Deployment cannot get at another namespace's registry secret
    by the settings that are kept there: nobody has set that it be copied."""
    source = await registry_secret(world, "b25l")
    desired = desired_of(world)
    agent = WholeAgent(world, [desired])
    await agent.until_state(desired.name, ActualState.RUNNING)
    deployment = await world.only(resources.DEPLOYMENT, desired.name)
    kept = decode(deployment["metadata"]["annotations"][ownership.SETTINGS])
    assert kept is not None
    widened = encode(msgspec.structs.replace(kept, image_pull_secrets=(source,)))
    pointer = "/metadata/annotations/" + ownership.SETTINGS.replace("/", "~1")
    await world.edit(
        resources.DEPLOYMENT, deployment, {"op": "replace", "path": pointer, "value": widened}
    )
    await agent.until(
        lambda: (
            (cause := agent.last[desired.name].cause) is not None
            and cause.code == "pull-secret-missing"
        )
    )
    assert agent.last[desired.name].state is ActualState.RUNNING
    secrets = await world.client.list_all(
        resources.SECRET, labels="moorage.dev/workspace=" + desired.name
    )
    assert pull_data("b25l")[".dockerconfigjson"] not in msgspec.json.encode(secrets).decode()
    await agent.kill()
    await world.client.delete(resources.NAMESPACE, "", source.namespace)


async def test_user_namespaces_that_the_cluster_has_not(world: KubernetesWorld) -> None:
    """Where API server or nodes have no user namespaces, a workspace that needs one is refused, in
    plain words."""
    agent = await world.agent(
        settings=msgspec.structs.replace(world.settings, use_kubernetes_user_namespaces=True)
    )
    abilities = agent.runtime.connection._abilities
    if abilities.user_namespaces:
        desired = desired_of(world)
        assert (await agent.start(desired)).ready
        outside = (await in_pod(agent.runtime, desired, "cat /proc/self/uid_map")).split()[1]
        assert int(outside) >= 65536
        return
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired_of(world))
    assert caught.value.final
    assert caught.value.cause.code == "user-namespaces-unavailable"


class ForgetfulClient(Client):
    """What comes of an API server that does not keep `hostUsers`: older ones, and those where the
    feature is switched off."""

    async def apply(self, item: Object) -> Object:
        item = msgspec.json.decode(msgspec.json.encode(item))
        if item["kind"] == "Deployment":
            item["spec"]["template"]["spec"].pop("hostUsers", None)
        return await super().apply(item)


async def test_a_user_namespace_that_was_only_promised(
    world: KubernetesWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod whose map of users is the node's, although it was to have one of its own, fails before
    anything of the devfile has run: our first container looks at /proc/self/uid_map."""

    async def promised(_: Client, **_again: bool) -> Abilities:
        return Abilities(user_namespaces=True)

    monkeypatch.setattr(discovery, "abilities_of", promised)
    settings = msgspec.structs.replace(world.settings, use_kubernetes_user_namespaces=True)
    backend = world.backend(settings)
    backend.client = ForgetfulClient(world.access, TokenBucket(100, 100, SystemClock()))
    desired = desired_of(world)
    agent = WholeAgent(world, [desired], backend=backend)
    said = await agent.until_state(desired.name, ActualState.FAILED, 200)
    assert said.cause is not None
    assert said.cause.code == "user-namespace-missing"
    assert {c.started_at for c in said.containers if c.name == "py"} <= {None}
    await agent.kill()


async def test_a_private_ca(world: KubernetesWorld, tmp_path: Any) -> None:
    """The clone, and then Git, pip, npm, curl, Node and Java in a pod, reach hosts that an
    organisation's own CA signed."""
    site = PrivateSite(tmp_path, world.cluster.address())
    image = languages_image(world.image)
    world.cluster.load(image)
    settings = msgspec.structs.replace(world.settings, ca_bundle=site.ca.certificate)
    agent = await world.agent(settings=settings, editor_timeout=60.0)
    main = Container(
        name="py", image=image, override_command=True, env={"JAVA_TOOL_OPTIONS": "-Dkept=yes"}
    )
    project = Project(name="app", clone_path="app", url=site.repository)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,), projects=(project,)))
    try:
        progress = await agent.start(desired)
        assert progress.ready, progress.fault
        for program, command in site.programs().items():
            said = await in_pod(agent.runtime, desired, f"d=$(mktemp -d); {command} 2>&1")
            assert SECRET in said, (program, said)
        assert "-Dkept=yes" in await in_pod(agent.runtime, desired, "java -version 2>&1")
    finally:
        site.close()


async def test_a_bundle_that_is_none(world: KubernetesWorld) -> None:
    """A CA bundle with something else in it makes the workspace Failed, with that as the cause."""
    bad = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
    desired = desired_of(world)
    agent = WholeAgent(
        world, [desired], settings=msgspec.structs.replace(world.settings, ca_bundle=bad)
    )
    said = await agent.until_state(desired.name, ActualState.FAILED, 200)
    assert said.cause is not None
    assert said.cause.code == "ca-bundle-invalid"
    await agent.kill()


async def test_a_long_bundle(world: KubernetesWorld) -> None:
    """A CA bundle that is longer than annotations may be keeps nothing from starting, nor from
    being ended with its last words."""
    bad = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n" * 4500
    assert len(bad) > 256 * 1024
    desired = desired_of(world)
    agent = WholeAgent(
        world, [desired], settings=msgspec.structs.replace(world.settings, ca_bundle=bad)
    )
    said = await agent.until_state(desired.name, ActualState.FAILED, 200)
    assert said.cause is not None
    assert said.cause.code == "ca-bundle-invalid"

    async def halted() -> bool:
        deployment = await world.only(resources.DEPLOYMENT, desired.name)
        return bool(
            deployment["spec"]["replicas"] == 0
            and deployment["metadata"]["annotations"][names.HALTED]
        )

    await eventually(halted)
    await agent.kill()


async def test_capacity(world: KubernetesWorld) -> None:
    """The cluster describes itself with what the nodes have that take pods: a cordoned one counts
    for nothing."""
    world.own_cluster()
    agent = await world.agent()
    node = (await world.client.list_all(resources.NODE))[0]
    found = await agent.backend.describe()
    assert found.kind == "kubernetes"
    assert found.version == (await world.client.read("/version"))["gitVersion"]
    assert found.cpu == int(node["status"]["allocatable"]["cpu"]) * 1000
    assert found.memory == int(node["status"]["allocatable"]["memory"].removesuffix("Ki")) * 1024
    name = node["metadata"]["name"]
    await patch_node(world, name, {"spec": {"unschedulable": True}})
    try:
        cordoned = await agent.backend.describe()
        assert (cordoned.cpu, cordoned.memory) == (0, 0)
    finally:
        await patch_node(world, name, {"spec": {"unschedulable": None}})


async def test_requests_are_bounded(world: KubernetesWorld) -> None:
    """An agent asks the API server no more often than it may, however much there is to do."""
    agent = await world.agent(requests_per_second=10.0)
    bucket = agent.runtime.client.bucket
    await asyncio.sleep(2.0)  # its burst is whole again
    began, before = time.monotonic(), bucket.taken
    wishes = [desired_of(world) for _ in range(4)]
    await asyncio.gather(*(agent.runtime.start(wish, received=time.time()) for wish in wishes))
    most = bucket.burst + bucket.rate * (time.monotonic() - began) + 1
    sent = sum(agent.runtime.client.requests.values())
    assert 20 < bucket.taken - before <= most
    assert sent <= bucket.taken
    assert bucket.waited > 0
