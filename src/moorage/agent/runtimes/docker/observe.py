"""From the engine's description of containers to a `Run`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes import ownership, rescue
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.port import ObservedContainer, Progress, Rescue, Role, Run, digest_of
from moorage.contract import Cause, ContainerState, DesiredWorkspace

Inspected = Mapping[str, Any]
_ROLES: Mapping[str, Role] = {
    "sandbox": "sandbox",
    "init": "init",
    "main": "main",
    "sidecar": "sidecar",
}


def run_of(
    containers: Sequence[Inspected],
    desired: DesiredWorkspace | None,
    last_lines: Mapping[str, str],
    progress: Progress,
) -> Run | None:
    """The run that the containers of one workspace are; None: there is no container.

    `last_lines`: by container id, of those that have ended.
    """
    if not containers:
        return None
    labels = labels_of(next((c for c in containers if role_of(c) == "sandbox"), containers[0]))
    found = [container_of(c, last_lines.get(c["Id"], "")) for c in containers]
    faults = progress.side_faults
    return Run(
        restarts=number(labels.get(ownership.RESTARTS)),
        spec=labels.get(ownership.SPEC, ""),
        generation=number(labels.get(ownership.GENERATION)),
        containers=tuple(sorted(_with_faults(found, desired, faults), key=_in_order)),
        missing=tuple(missing(containers, desired, faults)),
        address=address_of(containers),
        settings=number(labels.get(ownership.SETTINGS_VERSION)),
        rescue=rescue_of(containers),
        progress=progress,
    )


def rescue_of(containers: Sequence[Inspected]) -> Rescue | None:
    """What a run is, when it is not the workspace's own."""
    found = (rescue.of_labels(labels_of(container)) for container in containers)
    return next((each for each in found if each is not None), None)


def container_of(inspected: Inspected, lines: str) -> ObservedContainer:
    state = inspected["State"]
    labels = labels_of(inspected)
    name = labels.get(objects.CONTAINER, "")
    kind = state_of(inspected)
    fault, hopeless = None, False
    if kind is ContainerState.EXITED:
        verdict = _exit_verdict(role_of(inspected), name, state, lines)
        fault, hopeless = verdict.cause, verdict.final
    return ObservedContainer(
        name=name,
        role=role_of(inspected),
        image=inspected.get("Config", {}).get("Image", ""),
        state=kind,
        exit_code=state.get("ExitCode") if kind is ContainerState.EXITED else None,
        started_at=seconds(state.get("StartedAt")),
        finished_at=seconds(state.get("FinishedAt")),
        restarts=inspected.get("RestartCount") or 0,
        fault=fault,
        hopeless=hopeless,
    )


def _with_faults(
    found: Sequence[ObservedContainer],
    desired: DesiredWorkspace | None,
    faults: Mapping[str, Cause],
) -> list[ObservedContainer]:
    """The containers with those that could not be brought up, and why."""
    kept = [
        container
        for container in found
        if container.role != "sidecar"
        or container.name not in faults
        or container.state is not ContainerState.WAITING
    ]
    names = {container.name for container in kept}
    return [
        *kept,
        *(
            ObservedContainer(
                name=container.name,
                role="sidecar",
                image=container.image,
                state=ContainerState.EXITED,
                fault=faults[container.name],
            )
            for container in (desired.spec.containers if desired is not None else ())
            if container.name in faults and container.name not in names
        ),
    ]


def missing(
    containers: Sequence[Inspected],
    desired: DesiredWorkspace | None,
    faults: Mapping[str, Cause] | None = None,
) -> list[str]:
    """Names what a repair would have to make or start, beside containers that have exited, and
    side containers that cannot be brought up (`faults`, by name)."""
    faults = faults or {}
    by_role = {(role_of(c), labels_of(c).get(objects.CONTAINER, "")): c for c in containers}
    sandbox = next((c for c in containers if role_of(c) == "sandbox"), None)
    found = [] if sandbox is not None else ["the sandbox"]
    if desired is not None:
        for container in desired.spec.containers:
            role: Role = "main" if container.name == desired.spec.main_container else "sidecar"
            if (role, container.name) not in by_role and container.name not in faults:
                found.append(f"container {container.name}")
    since = seconds(sandbox["State"].get("StartedAt")) if sandbox is not None else None
    for (role, name), item in by_role.items():
        state = state_of(item)
        if role == "init":
            continue
        if state is ContainerState.WAITING and (role != "sidecar" or name not in faults):
            found.append(f"container {name}, which was never started")
        elif role != "sandbox" and state is ContainerState.RUNNING and since is not None:
            started = seconds(item["State"].get("StartedAt"))
            if started is not None and started < since:
                found.append(f"container {name}, which is in a network that is gone")
    return found


def matches(run: Run, desired: DesiredWorkspace) -> bool:
    return run.spec == digest_of(desired.spec) and run.restarts == desired.restarts


def state_of(inspected: Inspected) -> ContainerState:
    status = inspected["State"].get("Status", "")
    if status in ("running", "paused", "restarting"):
        return ContainerState.RUNNING
    if status in ("exited", "dead", "removing", "stopped"):
        return ContainerState.EXITED
    return ContainerState.WAITING


def role_of(inspected: Inspected) -> Role:
    return _ROLES.get(labels_of(inspected).get(objects.ROLE, ""), "sidecar")


def labels_of(inspected: Inspected) -> Mapping[str, str]:
    """The labels of a container, network or volume, as inspected or out of a list."""
    labels: Mapping[str, str] = (inspected.get("Config") or inspected).get("Labels") or {}
    return labels


def address_of(containers: Sequence[Inspected]) -> str:
    for container in containers:
        if role_of(container) == "sandbox" and state_of(container) is ContainerState.RUNNING:
            networks = container.get("NetworkSettings", {}).get("Networks") or {}
            for network in networks.values():
                if network.get("IPAddress"):
                    return str(network["IPAddress"])
    return ""


def received_at(containers: Sequence[Inspected]) -> float | None:
    for container in containers:
        try:
            return float(labels_of(container)[objects.RECEIVED])
        except (KeyError, ValueError):
            continue
    return None


def seconds(text: str | None) -> float | None:
    """RFC 3339 → seconds since the epoch. The engine's zero time is None."""
    if not text or text.startswith("0001"):
        return None
    return datetime.fromisoformat(text).timestamp()


def _exit_verdict(role: Role, name: str, state: Mapping[str, Any], lines: str) -> causes.Verdict:
    code = state.get("ExitCode")
    if role == "sandbox":
        return causes.sandbox_ended(code, lines)
    if role == "init" and code != 0:
        return causes.init_failed(name, code, lines)
    return causes.of_exit(
        name, code, lines, oom=bool(state.get("OOMKilled")), error=state.get("Error") or ""
    )


def _in_order(container: ObservedContainer) -> tuple[int, str]:
    return ("main", "sidecar", "init", "sandbox").index(container.role), container.name


def number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
