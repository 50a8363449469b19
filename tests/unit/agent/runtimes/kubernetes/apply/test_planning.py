from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.bounds import Bounds
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Secret
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, read
from moorage.agent.runtimes.kubernetes.apply import changes, planning
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.observed.store import hold
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.port import Identity
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import Container, DesiredState, DesiredWorkspace, WorkspaceSpec
from moorage.workspace_settings import (
    Amounts,
    PullSecret,
    RemoteDevelopment,
    ResourceSettings,
    Storage,
    encode,
)
from moorage.workspace_settings.model import EgressRule, Gateway, GitlabProxy, NetworkPolicySettings

NAME = "workspace-1-1-abcdef"
DESIRED = DesiredWorkspace(
    name=NAME,
    generation=1,
    desired=DesiredState.RUNNING,
    spec=WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py"),
)


def frame(**changes: Any) -> planning.Frame:
    given: dict[str, Any] = {
        "identity": Identity("inst", 1),
        "options": AgentSettings(tools_image="tools:1"),
        "settings": VersionedSettings(),
        "abilities": Abilities(),
    }
    return planning.Frame(**(given | changes))


def egress(allow: str) -> RemoteDevelopment:
    return RemoteDevelopment(
        network_policy=NetworkPolicySettings(egress=(EgressRule(allow=allow),))
    )


def made(used: planning.Frame) -> list[dict[str, Any]]:
    """The objects as they would be in the cluster."""
    return objects_of(planning.plan_of(used, DESIRED, None, [], run="1.000"))


def read_all(found: list[dict[str, Any]]) -> list[ClusterObject]:
    return [read(item) for item in found]


def plan_again(
    used: planning.Frame, found: list[dict[str, Any]], desired: DesiredWorkspace = DESIRED
) -> planning.Plan:
    """The plan for the same run."""
    deployment = DEPLOYMENT.read(found[-1])
    return planning.plan_of(
        used, desired, deployment, read_all(found), run=planning.run_of(deployment)
    )


def again(used: planning.Frame, found: list[dict[str, Any]]) -> changes.Changes:
    """What would be written for the same run."""
    return changes.needed(objects_of(plan_again(used, found)), [hold(item) for item in found])


def test_a_run_of_before_the_limits_goes_on() -> None:
    """Limits of the agent's own, new or changed, are for what is started from then on: nothing of a
    run is written anew."""
    none = AgentSettings(tools_image="tools:1", default_memory_limit=0, ephemeral_limit=0)
    before = made(frame(options=none))
    assert again(frame(), before).none
    assert again(frame(options=none), made(frame())).none
    assert before[-1] != made(frame())[-1]


def test_a_run_keeps_settings_tools_and_way_of_copying() -> None:
    """New settings, another tools image and a cluster that learned something leave a run alone."""
    newer = frame(
        settings=VersionedSettings(
            RemoteDevelopment(priority_class="low", storage=Storage(size="1Gi")), 2
        ),
        options=AgentSettings(tools_image="tools:2"),
        abilities=Abilities(image_volumes=True),
    )
    assert again(newer, made(frame())).none
    fresh = planning.plan_of(newer, DESIRED, None, [], run="2.000")
    assert (fresh.settings.priority_class, fresh.tools_image, fresh.mounts_tools) == (
        "low",
        "tools:2",
        True,
    )
    assert fresh.settings_version == 2


@pytest.mark.parametrize(
    ("kept", "accepted"),
    [
        (RemoteDevelopment(priority_class="low"), True),
        (RemoteDevelopment(image_pull_secrets=(PullSecret(name="r", namespace="theirs"),)), True),
        (RemoteDevelopment(network_policy=NetworkPolicySettings(enabled=False)), False),
        (RemoteDevelopment(allow_privilege_escalation=True), False),
        (RemoteDevelopment(shared_namespace="kube-system"), False),
        (egress("10.0.0.1/8"), False),
        (egress("everywhere"), False),
    ],
)
def test_what_a_run_keeps_is_within_the_bounds(kept: RemoteDevelopment, accepted: bool) -> None:
    """Settings that somebody wrote onto a Deployment do not go further than those that the server
    may send; where the agent's owner set them by a file, they are the owner's."""
    found = made(frame(settings=VersionedSettings(kept, 3)))
    now = VersionedSettings(RemoteDevelopment(), 4)

    def plan(used: planning.Frame) -> planning.Plan:
        return plan_again(used, found)

    bounded = plan(frame(settings=now, bounds=Bounds()))
    assert (bounded.settings == kept, bounded.settings_version == 3) == (accepted, accepted)
    assert plan(frame(settings=now)).settings == kept
    assert plan(frame(settings=VersionedSettings(kept, 3), bounds=Bounds())).settings == kept


BUNDLE, OTHER = (f"-----BEGIN CERTIFICATE-----\n{text}\n" for text in ("one", "other"))
BUNDLED = VersionedSettings(RemoteDevelopment(ca_bundle=BUNDLE, priority_class="low"), 3)


def without(found: list[dict[str, Any]], *called: str) -> list[dict[str, Any]]:
    return [item for item in found if item["metadata"]["name"] not in called]


def test_a_run_keeps_its_bundle() -> None:
    """The CA bundle of a run comes from its Secret, whatever bundle is set now, or none."""
    found = made(frame(settings=BUNDLED))
    assert BUNDLE not in found[-1]["metadata"]["annotations"][ownership.SETTINGS]
    for bundle in (BUNDLE, OTHER, ""):
        now = frame(settings=VersionedSettings(RemoteDevelopment(ca_bundle=bundle), 4))
        assert again(now, found).none
        assert plan_again(now, found).settings == BUNDLED.settings
    bounded = frame(settings=VersionedSettings(), bounds=Bounds())
    assert again(bounded, found).none


def test_a_bundles_secret_is_put_back() -> None:
    """A Secret that was changed or deleted is written again while the bundle is still the one that
    is set; else with the newest, so that a pod that is made anew finds one. The pod is left alone.
    """
    found = made(frame(settings=BUNDLED))
    called = names.bundle_name(NAME)
    edited = msgspec.json.decode(msgspec.json.encode(found))
    secret = next(item for item in edited if item["metadata"]["name"] == called)
    secret["data"] = {"extra.crt": base64.b64encode(OTHER.encode()).decode()}
    template = found[-1]["spec"]["template"]
    for there in (edited, without(found, called)):
        (mended,) = again(frame(settings=BUNDLED), there).apply
        assert mended == next(item for item in found if item["metadata"]["name"] == called)
        newest = frame(settings=VersionedSettings(RemoteDevelopment(ca_bundle="newest"), 4))
        *written, deployment = again(newest, there).apply
        assert [item["metadata"]["name"] for item in written] == [called]
        assert base64.b64decode(written[0]["data"]["extra.crt"]) == b"newest"
        assert deployment["spec"]["template"] == template
    assert plan_again(frame(), edited).settings.ca_bundle == OTHER


def test_a_bundle_in_the_annotation_is_moved() -> None:
    """What an agent of an earlier version made has the whole bundle in its annotation: that is
    written anew, and the pod stays."""
    found = made(frame(settings=BUNDLED))
    annotations = found[-1]["metadata"]["annotations"]
    annotations[ownership.SETTINGS] = encode(BUNDLED.settings)
    del annotations[names.CA_BUNDLE]
    (deployment,) = again(frame(), found).apply
    assert deployment["kind"] == "Deployment"
    assert deployment["spec"] == found[-1]["spec"]
    assert again(frame(), [*found[:-1], deployment]).none
    annotations[names.TEMPLATE] = "of-another-version"
    assert again(frame(), found).none


def test_where_the_gateway_is() -> None:
    """The workspaces' settings say in which namespace the gateway's pods are; where they do not,
    the agent's own."""

    def admitted(settings: RemoteDevelopment) -> str:
        used = frame(
            options=AgentSettings(gateway_namespace="edge"), settings=VersionedSettings(settings)
        )
        policy = next(item for item in made(used) if item["kind"] == "NetworkPolicy")
        peer = policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"]
        return str(peer["kubernetes.io/metadata.name"])

    assert admitted(RemoteDevelopment()) == "edge"
    assert admitted(RemoteDevelopment(gateway=Gateway(namespace="other"))) == "other"
    assert (
        admitted(RemoteDevelopment(gitlab_workspaces_proxy=GitlabProxy(namespace="theirs")))
        == "theirs"
    )


def test_a_volume_is_never_left_behind() -> None:
    """A workspace stays in the namespace that holds its volume, whatever the settings say now."""
    shared = frame(settings=VersionedSettings(RemoteDevelopment(shared_namespace="teams")))
    assert (
        planning.plan_of(shared, DESIRED, None, read_all(made(frame())), run="2").namespace == NAME
    )
    assert planning.plan_of(shared, DESIRED, None, [], run="2").namespace == "teams"
    assert (
        planning.plan_of(frame(), DESIRED, None, read_all(made(shared)), run="2").namespace
        == "teams"
    )


@pytest.mark.parametrize("volume_in", ["own", "shared"])
@pytest.mark.parametrize("set_now", ["own", "shared"])
def test_a_shared_namespace_is_never_made_the_workspaces(volume_in: str, set_now: str) -> None:
    """Namespace, quota and limits are a workspace's where it has a namespace to itself; where its
    volume is in a shared one, there are none of them, whatever the settings say now."""
    most = ResourceSettings(limits=Amounts(cpu="2"))
    of = {
        "own": frame(
            settings=VersionedSettings(RemoteDevelopment(max_resources_per_workspace=most))
        ),
        "shared": frame(
            settings=VersionedSettings(
                RemoteDevelopment(max_resources_per_workspace=most, shared_namespace="teams")
            )
        ),
    }
    plan = planning.plan_of(of[set_now], DESIRED, None, read_all(made(of[volume_in])), run="2")
    objects = objects_of(plan)
    around = [
        item["kind"]
        for item in objects
        if item["kind"] in ("Namespace", "ResourceQuota", "LimitRange")
    ]
    assert around == (["Namespace", "ResourceQuota", "LimitRange"] if volume_in == "own" else [])
    where = {item["metadata"].get("namespace", item["metadata"]["name"]) for item in objects}
    assert where == {NAME if volume_in == "own" else "teams"}


def test_copies_of_pull_secrets() -> None:
    """While a source is not known, its copy is right as it is; a copy that is missing, or older
    than its source, is written."""
    source = PullSecret(name="registry", namespace="platform")
    settings = RemoteDevelopment(image_pull_secrets=(source,))
    old, new = (Secret(data={"a": text}) for text in ("eA==", "eQ=="))
    used = frame(settings=VersionedSettings(settings))
    plan = planning.plan_of(used, DESIRED, None, [], run="1.000")
    found = objects_of(planning.with_sources(plan, [], {source: old}))
    without = [item for item in found if item["metadata"]["name"] != "registry"]

    def written(there: list[dict[str, Any]], sources: dict[PullSecret, Any]) -> list[str]:
        wanted = objects_of(planning.with_sources(plan, read_all(there), sources))
        needed = changes.needed(wanted, [hold(item) for item in there])
        return [item["metadata"]["name"] for item in needed.apply]

    assert written(found, {}) == []
    assert written(found, {source: old}) == []
    assert written(found, {source: new}) == ["registry"]
    assert written(without, {}) == ["registry"]


def test_a_pull_secret_that_is_nowhere_is_not_written() -> None:
    """Of a pull secret with neither source nor copy, nothing empty is made; the rest is written,
    and it is named."""
    gone, there = (PullSecret(name=name, namespace="platform") for name in ("gone", "there"))
    used = frame(settings=VersionedSettings(RemoteDevelopment(image_pull_secrets=(gone, there))))
    plan = planning.plan_of(used, DESIRED, None, [], run="1.000")
    content = {".dockerconfigjson": "eA=="}
    sources = {there: Secret(type="kubernetes.io/dockerconfigjson", data=content)}
    rest, lacking = planning.without_lacking(planning.with_sources(plan, [], sources))
    assert lacking == gone
    made = [item["metadata"]["name"] for item in objects_of(rest) if item["kind"] == "Secret"]
    assert made == [f"{NAME}-env-py", "there"]
    own = msgspec.structs.replace(plan, namespace="platform")
    assert planning.without_lacking(planning.with_sources(own, [], {})) == (
        planning.with_sources(own, [], {}),
        None,
    )


def test_workspaces_that_share_a_namespace_share_no_object() -> None:
    """Each has a copy of the pull secret of its own: what one writes or deletes is neither
    another's nor anybody else's."""
    source = PullSecret(name="registry", namespace="platform")
    there = PullSecret(name="local", namespace="teams")
    settings = RemoteDevelopment(shared_namespace="teams", image_pull_secrets=(source, there))
    secret = Secret(data={"a": "eA=="})
    made = []
    for name in ("workspace-1-1-aaaaaa", "workspace-1-1-bbbbbb"):
        desired = msgspec.structs.replace(DESIRED, name=name)
        plan = planning.plan_of(
            frame(settings=VersionedSettings(settings)), desired, None, [], run="1.000"
        )
        objects = objects_of(planning.with_sources(plan, [], {source: secret, there: secret}))
        copy = f"{name}-pull-registry"
        assert objects[-1]["spec"]["template"]["spec"]["imagePullSecrets"] == [
            {"name": copy},
            {"name": "local"},
        ]
        made.append({(item["kind"], item["metadata"]["name"]) for item in objects})
        assert ("Secret", copy) in made[-1]
        assert objects_of(planning.with_sources(plan, read_all(objects), {})) == objects
    assert not made[0] & made[1]
    assert not {("Secret", "registry"), ("Secret", "local")} & (made[0] | made[1])


@pytest.mark.parametrize("shared", ["", "teams"])
def test_pull_secrets_of_one_name(shared: str) -> None:
    """Secrets that are called the same in several namespaces are all copied, each to a name of its
    own, and kept apart; one that is named twice is copied once."""
    sources = tuple(
        PullSecret(name="registry", namespace=space) for space in ("red", "blue", "red", "teams")
    )
    settings = RemoteDevelopment(image_pull_secrets=sources, shared_namespace=shared)
    secrets = {
        source: Secret(data={"a": base64.b64encode(source.namespace.encode()).decode()})
        for source in sources
    }
    plan = planning.plan_of(
        frame(settings=VersionedSettings(settings)), DESIRED, None, [], run="1.000"
    )
    objects = objects_of(planning.with_sources(plan, [], secrets))
    copies = {
        item["metadata"]["name"]: base64.b64decode(item["data"]["a"]).decode()
        for item in objects
        if item["kind"] == "Secret" and "a" in item["data"]
    }
    referred = [
        entry["name"] for entry in objects[-1]["spec"]["template"]["spec"]["imagePullSecrets"]
    ]
    assert len(set(referred)) == len(referred) == 3
    assert [copies.get(name, "there") for name in referred] == [
        "red",
        "blue",
        "there" if shared else "teams",
    ]
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)
    assert objects_of(planning.with_sources(plan, read_all(objects), {})) == objects


@pytest.mark.parametrize(
    ("settings", "abilities", "code"),
    [
        (
            RemoteDevelopment(use_kubernetes_user_namespaces=True),
            Abilities(),
            "user-namespaces-unavailable",
        ),
        (
            RemoteDevelopment(use_kubernetes_user_namespaces=True),
            Abilities(user_namespaces=True),
            None,
        ),
        (RemoteDevelopment(editor_tree="image"), Abilities(), "image-volumes-unavailable"),
        (RemoteDevelopment(editor_tree="image"), Abilities(image_volumes_accepted=True), None),
        (RemoteDevelopment(), Abilities(), None),
    ],
)
def test_what_the_cluster_cannot_do(
    settings: RemoteDevelopment, abilities: Abilities, code: str | None
) -> None:
    """A setting that the cluster cannot meet is refused in plain words, rather than dropped by the
    API server."""
    plan = planning.plan_of(
        frame(settings=VersionedSettings(settings), abilities=abilities), DESIRED, None, [], run="1"
    )
    cause = planning.impossible(plan)
    assert (cause.code if cause is not None else None) == code
