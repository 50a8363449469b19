"""What a container may use, and whether a workspace stays below what the settings allow it. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from moorage.agent_settings import RemoteDevelopment
from moorage.contract import Cause, Container, Resources, WorkspaceSpec
from moorage.kernel import quantities


def resources_of(container: Container, spec: WorkspaceSpec, settings: RemoteDevelopment) -> Resources:
    """The devfile's; where it says nothing the settings' defaults; where these say nothing, an equal share of the maximum."""
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
    """Why this workspace is not started: its containers together may have more than the settings allow."""
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
        # PreStart containers run before the others, one after the other.
        wanted = max(
            [sum(getattr(r, field) or 0 for r in together), *(getattr(r, field) or 0 for r in alone)]
        )
        if allowed and wanted > allowed:
            written = quantities.cpu if field.startswith("cpu") else quantities.size
            return Cause(
                code="max-resources-exceeded",
                message=f"The workspace's containers may together {words.format(written(wanted))}; the agent's settings "
                f"allow {written(allowed)}.",
                hint="Lower it in the devfile, or have max_resources_per_workspace raised.",
            )
    return None


def _cpu(amount: str) -> int:
    """Millicores; 0: not set."""
    return int(_number(amount) * 1000)


def _memory(amount: str) -> int:
    return int(_number(amount))


def _number(amount: str) -> Decimal:
    return quantities.parse(amount) if amount else Decimal(0)


def _at_most(request: int, limit: int) -> int | None:
    return (min(request, limit) if limit else request) or None
