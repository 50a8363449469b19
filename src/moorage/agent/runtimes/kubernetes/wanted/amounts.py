"""The amounts of a node that a workspace's containers get. Pure.

The devfile's word counts first, then the settings' defaults, then an equal share of what these
leave of the workspace's maximum. Where nobody says anything, the agent's own limits do, so that no
workspace takes a whole node.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.contract import Container
from moorage.kernel import quantities
from moorage.workspace_settings import Amounts

DISK = "ephemeral-storage"
LEAST_DISK_REQUEST = 64 << 20
"""Bytes that are requested of what a container writes outside of its volumes. A request that is
left out would be the limit."""
LEAST_REQUEST = Amounts(cpu="50m", memory="64Mi")
"""The request of a container for which nobody set one. It would be its limit else, and hold that
much of a node for nothing."""


def of_container(plan: Plan, container: Container) -> dict[str, Any]:
    """A container's `resources`. Where it leaves limits out, the namespace's LimitRange gives it
    its share; more is written here when the devfile asks for more, since a request above the limit
    is refused."""
    wanted, defaults = container.resources, plan.settings.default_resources_per_workspace_container
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for table, cpu, memory, default in (
        (requests, wanted.cpu_request, wanted.memory_request, defaults.requests),
        (limits, wanted.cpu_limit, wanted.memory_limit, defaults.limits),
    ):
        if cpu is not None or default.cpu:
            table["cpu"] = quantities.cpu(cpu) if cpu is not None else default.cpu
        if memory is not None or default.memory:
            table["memory"] = quantities.size(memory) if memory is not None else default.memory
    _settle(requests, limits)
    shared = shares(plan)
    for name, share in shared.items():
        if name in requests and name not in limits and quantities.parse(requests[name]) > share:
            if _asked(container, name) is not None:
                limits[name] = requests[name]
            else:
                requests[name] = written(name, share)
    if plan.default_memory_limit and "memory" not in limits and "memory" not in shared:
        _limit_memory(plan.default_memory_limit, requests, limits)
    if plan.ephemeral_limit:
        of_disk(plan.ephemeral_limit, requests, limits)
    return {key: table for key, table in (("requests", requests), ("limits", limits)) if table}


def of_disk(most: int, requests: dict[str, str], limits: dict[str, str]) -> None:
    """Limits what a container may write outside of its volumes to `most` bytes."""
    requests[DISK] = quantities.size(min(LEAST_DISK_REQUEST, most))
    limits[DISK] = quantities.size(most)


def _settle(requests: dict[str, str], limits: dict[str, str]) -> None:
    for name in requests.keys() & limits.keys():
        # A default may contradict what the devfile sets.
        if quantities.parse(requests[name]) > quantities.parse(limits[name]):
            requests[name] = limits[name]


def _limit_memory(most: int, requests: dict[str, str], limits: dict[str, str]) -> None:
    """Limits a container's memory to `most` bytes, or to what it asks for if that is more. A
    request that is left out would be the limit."""
    asked = requests.setdefault(
        "memory", quantities.size(min(int(quantities.parse(LEAST_REQUEST.memory)), most))
    )
    limits["memory"] = asked if quantities.parse(asked) > most else quantities.size(most)


def shares(plan: Plan) -> dict[str, Decimal]:
    """The share of a container for which nobody set a limit, by resource. Where the others leave
    too little to live on, as much as if they were all alike: then the quota refuses the pod, and
    says why."""
    if not plan.has_own_namespace:
        return {}
    found = {}
    containers = plan.spec.containers
    for name, text in named(plan.settings.max_resources_per_workspace.limits):
        most = left = quantities.parse(text)
        open_ended = []
        for container in containers:
            if (limit := _limit(plan, container, name)) is not None:
                left -= limit
            else:
                open_ended.append(_asked(container, name) or Decimal(0))
        open_ended.sort()
        # Who asks for more than an equal share gets what it asks for, and the others share the
        # rest.
        while open_ended and open_ended[-1] * len(open_ended) > left:
            left -= open_ended.pop()
        share = left / len(open_ended) if open_ended else Decimal(0)
        enough = share >= quantities.parse(getattr(LEAST_REQUEST, name))
        found[name] = share if enough else most / max(1, len(containers))
    return found


def named(amounts: Amounts) -> list[tuple[str, str]]:
    """The amounts that are set, by resource."""
    return [
        (name, text) for name, text in (("cpu", amounts.cpu), ("memory", amounts.memory)) if text
    ]


def written(name: str, amount: Decimal) -> str:
    """An amount as a quantity, rounded down."""
    return quantities.cpu(int(amount * 1000)) if name == "cpu" else quantities.size(int(amount))


def _limit(plan: Plan, container: Container, name: str) -> Decimal | None:
    default = dict(named(plan.settings.default_resources_per_workspace_container.limits)).get(name)
    own = container.resources.cpu_limit if name == "cpu" else container.resources.memory_limit
    if own is not None:
        return _amount(name, own)
    return quantities.parse(default) if default is not None else None


def _asked(container: Container, name: str) -> Decimal | None:
    """The request in the devfile."""
    own = container.resources.cpu_request if name == "cpu" else container.resources.memory_request
    return _amount(name, own) if own is not None else None


def _amount(name: str, number: int) -> Decimal:
    """Millicores, or bytes, as a quantity counts them."""
    return Decimal(number) / 1000 if name == "cpu" else Decimal(number)
