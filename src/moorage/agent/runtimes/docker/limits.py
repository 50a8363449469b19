"""Limits of containers, and whether a workspace stays below those of the settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from moorage.contract import Cause, Container, Resources, WorkspaceSpec
from moorage.kernel import quantities
from moorage.workspace_settings import RemoteDevelopment


def resources_of(
    container: Container, spec: WorkspaceSpec, settings: RemoteDevelopment
) -> Resources:
    """The devfile's; where it says nothing the settings' defaults; where these say nothing, an
    equal share of the maximum."""
    own = container.resources
    defaults = settings.default_resources_per_workspace_container
    most = settings.max_resources_per_workspace.limits
    shares = max(1, len(spec.containers))
    cpu = own.cpu_limit or _cpu(defaults.limits.cpu) or _cpu(most.cpu) // shares
    memory = own.memory_limit or _memory(defaults.limits.memory) or _memory(most.memory) // shares
    return msgspec.structs.replace(
        own,
        cpu_limit=cpu or None,
        memory_limit=memory or None,
        cpu_request=_at_most(own.cpu_request or _cpu(defaults.requests.cpu), cpu),
        memory_request=_at_most(own.memory_request or _memory(defaults.requests.memory), memory),
    )


def excess(spec: WorkspaceSpec, settings: RemoteDevelopment) -> Cause | None:
    """Why this workspace is not started: its containers together may have more than the settings
    allow."""
    most = settings.max_resources_per_workspace
    if most.empty:
        return None
    together = [resources_of(container, spec, settings) for container in spec.containers]
    alone = [resources_of(container, spec, settings) for container in spec.init_containers]
    for words, field, allowed in (
        ("use {} of processors", "cpu_limit", _cpu(most.limits.cpu)),
        ("use {} of memory", "memory_limit", _memory(most.limits.memory)),
        ("claim {} of processors", "cpu_request", _cpu(most.requests.cpu)),
        ("claim {} of memory", "memory_request", _memory(most.requests.memory)),
    ):
        wanted = _most(field, together, alone)
        if allowed and wanted > allowed:
            written = quantities.cpu if field.startswith("cpu") else quantities.size
            return Cause(
                code="max-resources-exceeded",
                message=f"The workspace's containers may together {words.format(written(wanted))}; the agent's settings "
                f"allow {written(allowed)}.",
                hint="Lower it in the devfile, or have max_resources_per_workspace raised.",
            )
    return None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Processors and memory of the engine's machine."""

    cpu: int = 0
    """Millicores; 0: not known."""
    memory: int = 0
    """Bytes; 0: not known."""
    ipv6: bool = False
    """Whether its kernel has IPv6, as far as it is known."""


def machine_of(info: Mapping[str, Any]) -> Machine:
    """Out of the engine's answer to `GET /info`."""
    return Machine(cpu=int(info.get("NCPU") or 0) * 1000, memory=int(info.get("MemTotal") or 0))


def beyond(spec: WorkspaceSpec, settings: RemoteDevelopment, machine: Machine) -> Cause | None:
    """Why this workspace is not started: its containers claim more than the machine has, and would
    never get it."""
    together = [resources_of(container, spec, settings) for container in spec.containers]
    alone = [resources_of(container, spec, settings) for container in spec.init_containers]
    for what, field, there, written, hint in (
        ("processors", "cpu_request", machine.cpu, quantities.cpu, _CPU_HINT),
        ("memory", "memory_request", machine.memory, quantities.in_words, _MEMORY_HINT),
    ):
        wanted = _most(field, together, alone)
        if there and wanted > there:
            return Cause(
                code="machine-too-small",
                message=f"The workspace's containers claim {written(wanted)} of {what}; this machine has {written(there)}.",
                hint=hint,
            )
    return None


def _most(field: str, together: Sequence[Resources], alone: Sequence[Resources]) -> int:
    """The most that is wanted of a resource at a time.

    PreStart containers run before the others, one after the other.
    """
    return max(
        [sum(getattr(r, field) or 0 for r in together), *(getattr(r, field) or 0 for r in alone)]
    )


_CPU_HINT = "Lower cpuRequest in the devfile: a number alone means whole processors, and 200m is a fifth of one."
_MEMORY_HINT = "Lower memoryRequest in the devfile, or take an agent on a larger machine."


def memory_of(
    container: Container,
    spec: WorkspaceSpec,
    settings: RemoteDevelopment,
    default: int,
    machine: Machine,
) -> int:
    """Bytes that this container may have; 0: no limit.

    `default`: `default_memory_limit` under `[agent]`.

    For which nobody has said anything, the containers of a workspace share half of the machine's
    memory. What devfiles say together is cut down to three quarters of it, each in proportion: the
    machine and others go on.
    """

    def wanted(one: Container) -> int:
        said = resources_of(one, spec, settings)
        return said.memory_limit or max(_share(default, spec, machine), said.memory_request or 0)

    if not (own := wanted(container)) or (
        not default and not resources_of(container, spec, settings).memory_limit
    ):
        return 0
    at_a_time = spec.containers if container in spec.containers else (container,)
    ceiling, together = machine.memory * 3 // 4, sum(map(wanted, at_a_time))
    return own * ceiling // together if ceiling and together > ceiling else own


def _share(default: int, spec: WorkspaceSpec, machine: Machine) -> int:
    return default if default >= 0 else machine.memory // 2 // max(1, len(spec.containers))


def _cpu(amount: str) -> int:
    """Millicores; 0: not set."""
    return int(_number(amount) * 1000)


def _memory(amount: str) -> int:
    return int(_number(amount))


def _number(amount: str) -> Decimal:
    return quantities.parse(amount) if amount else Decimal(0)


def _at_most(request: int, limit: int) -> int | None:
    return (min(request, limit) if limit else request) or None
