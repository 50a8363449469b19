"""Ends a failed workspace's processes and keeps what they said: the Deployment is scaled to
nothing, and remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Deployment, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, Object
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.observed.containers import for_people
from moorage.agent.runtimes.kubernetes.starting.monitor import StartMonitor
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.settings import AgentSettings
from moorage.contract import ContainerState
from moorage.workspace_settings import decode, encode

LOG_LINES = 200
"""Lines of each container that are kept."""
LOG_LENGTH = 16 * 1024
"""Characters of each container's log that are kept, where there is room."""
ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of an object's annotations, keys and values together; the API server refuses more."""
RESERVE = 8 * 1024
"""Bytes of these that others may need: a ReplicaSet has the Deployment's annotations, and some of
its own."""
MOST_BYTES = 128 * 1024
"""Bytes of what is kept, as it is written."""


async def halted_of(
    monitor: StartMonitor,
    options: AgentSettings,
    name: str,
    deployment: Deployment,
    pods: Sequence[Pod],
) -> states.Halted:
    """The state of the containers as they are now, to be kept."""
    pod = states.current_pod(pods)
    main = states.annotations_of(deployment).get(names.MAIN, "")
    # An agent that starts anew reads here that they were in a loop; what this one has counted, it
    # does not know.
    facts = states.Facts(
        deployment=deployment,
        pods=pods,
        lines=await monitor.tails.of_ended(pods),
        unwatched=states.ended_keys(pods),
        crash_limit=options.crash_limit,
        crash_window=options.crash_window,
    )
    containers = tuple(
        container
        if container.state is ContainerState.EXITED
        else msgspec.structs.replace(container, state=ContainerState.EXITED)
        for container in states.containers_of(pod, main, facts)
    )
    logs = {}
    if pod is not None:
        for status in pod.containers:
            if text := await monitor.tails.read(pod, status, LOG_LINES):
                logs[status.name] = for_people(text)[-LOG_LENGTH:]
    return states.Halted(containers=containers, logs=logs, fault=monitor.progress(name).fault)


def written(halted: states.Halted, annotations: Mapping[str, str]) -> str:
    """The state as the annotation that it becomes, beside `annotations`: logs are shortened, and
    then words left out, until it fits."""
    others = sum(
        len(name.encode()) + len(text.encode())
        for name, text in annotations.items()
        if name != names.HALTED
    )
    room = min(MOST_BYTES, ANNOTATIONS_LIMIT - RESERVE - others - len(names.HALTED))
    for length in (LOG_LENGTH, LOG_LENGTH // 4, LOG_LENGTH // 16, 0):
        logs = {name: text[-length:] for name, text in halted.logs.items() if length}
        text = msgspec.json.encode(msgspec.structs.replace(halted, logs=logs))
        if len(text) <= room:
            return text.decode()
    bare = tuple(msgspec.structs.replace(container, fault=None) for container in halted.containers)
    fault = msgspec.structs.replace(halted.fault, detail="") if halted.fault is not None else None
    return msgspec.json.encode(states.Halted(containers=bare, fault=fault)).decode()


def patch_of(halted: states.Halted, annotations: Mapping[str, str]) -> list[dict[str, Any]]:
    """The patch that scales a Deployment with these annotations down (RFC 6902). An agent of an
    earlier version kept the whole CA bundle there, which leaves too little room, and which nobody
    needs any more: a run that was halted is followed by a new one."""
    kept = decode(annotations.get(ownership.SETTINGS, ""))
    slim: dict[str, str] = {}
    if kept is not None and kept.ca_bundle:
        slim[ownership.SETTINGS] = encode(msgspec.structs.replace(kept, ca_bundle=""))
    added = slim | {names.HALTED: written(halted, {**annotations, **slim})}
    return [
        {"op": "add", "path": "/spec/replicas", "value": 0},
        *(
            {"op": "add", "path": "/metadata/annotations/" + name.replace("/", "~1"), "value": text}
            for name, text in added.items()
        ),
    ]


async def scale_down(client: Client, deployment: Deployment, halted: states.Halted) -> Object:
    """Scales the Deployment to nothing → the Deployment as it is then."""
    operations = patch_of(halted, states.annotations_of(deployment))
    return await client.patch(DEPLOYMENT, deployment.namespace, deployment.name, operations)
