"""Ends a failed workspace's processes and keeps what they said: the Deployment is scaled to nothing, and remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes import inside, states
from moorage.agent.runtimes.kubernetes.attend import Attendant
from moorage.agent.runtimes.kubernetes.client import Client
from moorage.agent.runtimes.kubernetes.objects import plan as names
from moorage.agent.runtimes.kubernetes.resources import DEPLOYMENT, Object
from moorage.agent.settings import AgentSettings
from moorage.contract import ContainerState

LOG_LINES = 200
"""Lines of each container that are kept."""
LOG_BYTES = 16 * 1024


async def halted_of(
    attendant: Attendant, options: AgentSettings, name: str, deployment: Object, pods: Sequence[Object]
) -> states.Halted:
    """What there is to keep of the containers as they are now."""
    pod = states.current_pod(pods)
    main = states.annotations_of(deployment).get(names.MAIN, "")
    lines = await attendant.last_lines(pods)
    facts = states.Facts(deployment=deployment, pods=pods, lines=lines, crash_limit=options.crash_limit)
    containers = tuple(
        container
        if container.state is ContainerState.EXITED
        else msgspec.structs.replace(container, state=ContainerState.EXITED)
        for container in states.containers_of(pod, main, facts)
    )
    logs = {}
    if pod is not None:
        for entry in states.statuses(pod):
            if text := await attendant.tail(pod, entry, LOG_LINES):
                logs[entry["name"]] = inside.for_people(text)[-LOG_BYTES:]
    return states.Halted(containers=containers, logs=logs, fault=attendant.progress(name).fault)


async def scale_down(client: Client, deployment: Object, halted: states.Halted) -> Object:
    """The Deployment as it is then."""
    metadata = deployment["metadata"]
    pointer = "/metadata/annotations/" + names.HALTED.replace("/", "~1")
    operations: list[dict[str, Any]] = [
        {"op": "add", "path": "/spec/replicas", "value": 0},
        {"op": "add", "path": pointer, "value": msgspec.json.encode(halted).decode()},
    ]
    return await client.patch(DEPLOYMENT, metadata["namespace"], metadata["name"], operations)
