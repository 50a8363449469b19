"""What containers may use, as a cluster would make of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.kubernetes.apply import planning
from moorage.agent.runtimes.kubernetes.wanted import amounts
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import Container, Resources, Volume
from moorage.kernel import quantities
from moorage.workspace_settings import Amounts, RemoteDevelopment, ResourceSettings
from unit.agent.runtimes.kubernetes.apply.test_planning import DESIRED, frame

MI = 1 << 20


def objects(
    settings: RemoteDevelopment, *asked: Resources, init: tuple[Resources, ...] = ()
) -> dict[str, dict[str, Any]]:
    """By kind. The first of the containers is the main one."""
    made = [
        Container(name=f"c{number}", image="i:1", resources=own) for number, own in enumerate(asked)
    ]
    steps = [
        Container(name=f"i{number}", image="i:1", resources=own) for number, own in enumerate(init)
    ]
    spec = msgspec.structs.replace(
        DESIRED.spec, containers=tuple(made), init_containers=tuple(steps), main_container="c0"
    )
    desired = msgspec.structs.replace(DESIRED, spec=spec)
    plan = planning.plan_of(frame(settings=VersionedSettings(settings)), desired, None, [], run="1")
    return {item["kind"]: item for item in objects_of(plan)}


def admitted(made: dict[str, dict[str, Any]], field: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Request and limit of each container of the devfile, as the API server and LimitRanger fill
    them in; raises what they would refuse."""
    defaults = made["LimitRange"]["spec"]["limits"][0]
    spec = made["Deployment"]["spec"]["template"]["spec"]
    found, limits = {}, Decimal(0)
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        own = container.get("resources", {})
        limit = own.get("limits", {}).get(field)
        request = own.get("requests", {}).get(field, limit) or defaults["defaultRequest"][field]
        limit = quantities.parse(limit or defaults["default"][field])
        request = quantities.parse(request)
        if request > limit:
            raise ValueError(f"{container['name']}: must be less than or equal to {field} limit")
        if container in spec["containers"]:
            limits += limit
        if not container["name"].startswith("moorage-"):
            found[container["name"]] = request, limit
    if limits > quantities.parse(made["ResourceQuota"]["spec"]["hard"][f"limits.{field}"]):
        raise ValueError("exceeded quota")
    return found


MOST = RemoteDevelopment(
    max_resources_per_workspace=ResourceSettings(limits=Amounts(cpu="4", memory="4Gi"))
)
CASES: dict[str, tuple[tuple[Resources, ...], list[int]]] = {
    "all alike": ((Resources(), Resources()), [2048, 2048]),
    "one asks for more than its share": (
        (Resources(memory_request=3072 * MI), Resources()),
        [3072, 1024],
    ),
    "one has a limit": ((Resources(memory_limit=3072 * MI), Resources()), [3072, 1024]),
    "a limit, a request, and two that say nothing": (
        (
            Resources(memory_limit=1024 * MI),
            Resources(memory_request=2048 * MI),
            Resources(),
            Resources(),
        ),
        [1024, 2048, 512, 512],
    ),
    "one asks for less than its share": (
        (Resources(memory_request=100 * MI), Resources()),
        [2048, 2048],
    ),
    "all have limits": (
        (Resources(memory_limit=1024 * MI), Resources(memory_limit=512 * MI)),
        [1024, 512],
    ),
    "one asks for it all": ((Resources(memory_request=4096 * MI),), [4096]),
}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_refused_that_fits_the_maximum(case: str) -> None:
    """Whatever requests and limits a devfile has, as long as they fit: each container gets what it
    asks for, the others share the rest, and the pod passes LimitRange and quota."""
    asked, expected = CASES[case]
    found = admitted(objects(MOST, *asked), "memory")
    assert [int(limit / MI) for _, limit in found.values()] == expected
    for own, (request, _) in zip(asked, found.values(), strict=True):
        assert own.memory_request is None or request == own.memory_request


def test_cores_are_shared_alike() -> None:
    """The same holds for the CPU, in thousandths of a core."""
    found = admitted(objects(MOST, Resources(cpu_request=3500), Resources(), Resources()), "cpu")
    assert [limit for _, limit in found.values()] == [
        Decimal("3.5"),
        Decimal("0.25"),
        Decimal("0.25"),
    ]


def test_a_prestart_step_may_ask_for_more_than_a_share() -> None:
    """Steps run one by one before the others: one gets what it asks for, up to the maximum."""
    step = Resources(memory_request=3072 * MI)
    found = admitted(objects(MOST, Resources(), Resources(), init=(step,)), "memory")
    assert {name: int(limit / MI) for name, (_, limit) in found.items()} == {
        "i0": 3072,
        "c0": 2048,
        "c1": 2048,
    }


def test_a_default_request_gives_way() -> None:
    """A request that only the settings make is no more than a share."""
    defaults = ResourceSettings(requests=Amounts(memory="3Gi"))
    settings = msgspec.structs.replace(MOST, default_resources_per_workspace_container=defaults)
    found = admitted(objects(settings, Resources(), Resources()), "memory")
    assert set(found.values()) == {(Decimal(2048 * MI), Decimal(2048 * MI))}


@pytest.mark.parametrize(
    "asked",
    [
        (Resources(memory_limit=4096 * MI), Resources()),
        (Resources(memory_limit=4095 * MI), Resources()),
        (Resources(memory_request=3072 * MI), Resources(memory_request=3072 * MI)),
    ],
)
def test_too_much_is_the_quotas_to_refuse(asked: tuple[Resources, ...]) -> None:
    """What is above the maximum, or leaves a container nothing to live on, is refused as that."""
    with pytest.raises(ValueError, match="exceeded quota"):
        admitted(objects(MOST, *asked), "memory")


def test_without_a_maximum_nothing_is_shared() -> None:
    """A devfile's request stays a request, and no LimitRange is made."""
    made = objects(RemoteDevelopment(), Resources(memory_request=3072 * MI), Resources())
    main = made["Deployment"]["spec"]["template"]["spec"]["containers"][1]
    assert main["resources"]["requests"]["memory"] == "3Gi"
    assert "LimitRange" not in made


def limited(limits: Amounts, requests: Amounts | None = None) -> RemoteDevelopment:
    defaults = ResourceSettings(limits=limits, requests=requests or Amounts())
    return RemoteDevelopment(default_resources_per_workspace_container=defaults)


def memory_of(
    settings: RemoteDevelopment, own: Resources, **options: Any
) -> tuple[str | None, str | None]:
    """Request and limit of a workspace's one container."""
    spec = msgspec.structs.replace(
        DESIRED.spec,
        containers=(Container(name="py", image="i:1", resources=own),),
        main_container="py",
    )
    desired = msgspec.structs.replace(DESIRED, spec=spec)
    used = frame(
        settings=VersionedSettings(settings),
        options=AgentSettings(tools_image="tools:1", **options),
    )
    found = amounts.of_container(
        planning.plan_of(used, desired, None, [], run="1"), spec.containers[0]
    )
    return tuple(found.get(key, {}).get("memory") for key in ("requests", "limits"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("settings", "own", "options", "expected"),
    [
        (RemoteDevelopment(), Resources(), {}, ("64Mi", "4Gi")),
        (RemoteDevelopment(), Resources(memory_limit=6144 * MI), {}, (None, "6Gi")),
        (RemoteDevelopment(), Resources(memory_request=1024 * MI), {}, ("1Gi", "4Gi")),
        (RemoteDevelopment(), Resources(memory_request=6144 * MI), {}, ("6Gi", "6Gi")),
        (RemoteDevelopment(), Resources(), {"default_memory_limit": 32 * MI}, ("32Mi", "32Mi")),
        (RemoteDevelopment(), Resources(), {"default_memory_limit": 2048 * MI}, ("64Mi", "2Gi")),
        (RemoteDevelopment(), Resources(), {"default_memory_limit": 0}, (None, None)),
        (limited(Amounts(memory="16Gi")), Resources(), {}, (None, "16Gi")),
        (limited(Amounts(), Amounts(memory="1Gi")), Resources(), {}, ("1Gi", "4Gi")),
        (limited(Amounts(cpu="1")), Resources(), {}, ("64Mi", "4Gi")),
        # The LimitRange gives it its share.
        (MOST, Resources(), {}, (None, None)),
    ],
)
def test_no_container_is_without_a_limit(
    settings: RemoteDevelopment,
    own: Resources,
    options: dict[str, Any],
    expected: tuple[str | None, str | None],
) -> None:
    """What devfile and settings say goes before the agent's own limit, which else holds; what is
    not asked for is not held back."""
    assert memory_of(settings, own, **options) == expected


def test_no_container_writes_a_nodes_disk_full() -> None:
    """Each container has a limit on what it writes outside of its volumes, and each volume on the
    node's disk has a size; the kubelet holds their sum against all that the pod writes."""
    volumes = (
        Volume(name="scratch", ephemeral=True),
        Volume(name="large", ephemeral=True, size=40 << 30),
        Volume(name="kept"),
    )
    spec = msgspec.structs.replace(DESIRED.spec, volumes=volumes)
    desired = msgspec.structs.replace(DESIRED, spec=spec)

    def pod(**options: Any) -> dict[str, Any]:
        used = frame(options=AgentSettings(tools_image="tools:1", **options))
        made = objects_of(planning.plan_of(used, desired, None, [], run="1"))[-1]
        found: dict[str, Any] = made["spec"]["template"]["spec"]
        return found

    bounded = pod()
    sizes = [v["emptyDir"]["sizeLimit"] for v in bounded["volumes"] if "emptyDir" in v]
    assert sizes == ["16Mi", "50Gi", "4Gi", "10Gi", "40Gi"]
    sandbox, main = (container["resources"] for container in bounded["containers"])
    assert (main["requests"][amounts.DISK], main["limits"][amounts.DISK]) == ("64Mi", "10Gi")
    assert (sandbox["requests"][amounts.DISK], sandbox["limits"][amounts.DISK]) == ("64Mi", "105Gi")
    free = pod(ephemeral_limit=0)
    assert not [
        c for c in free["containers"] if amounts.DISK in c.get("resources", {}).get("limits", {})
    ]
    assert {"name": "volume-scratch", "emptyDir": {}} in free["volumes"]
