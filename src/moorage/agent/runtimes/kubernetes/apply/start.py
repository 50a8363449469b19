"""Starts a workspace: writes what is missing or differs, and waits until what was there before has
gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from moorage.agent.runtimes.kubernetes.api.faults import still_ending
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Deployment, Namespace, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, POD, VOLUME_CLAIM, Object
from moorage.agent.runtimes.kubernetes.apply import changes, planning
from moorage.agent.runtimes.kubernetes.apply.connection import Connection
from moorage.agent.runtimes.kubernetes.apply.waiting import left_over
from moorage.agent.runtimes.kubernetes.cluster import pull_secrets
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import records
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.kubernetes.wanted.plan import LeftOut
from moorage.agent.runtimes.port import Rescue, RuntimeFault
from moorage.agent.runtimes.rescue import made_as
from moorage.contract import Cause, DesiredState, DesiredWorkspace, WorkspaceSpec


async def start(
    connection: Connection,
    desired: DesiredWorkspace,
    *,
    received: float,
    fresh: bool = False,
    rescue: Rescue | None = None,
) -> None:
    """See `Runtime.start`. Raises `RuntimeFault`, and what the client raises."""
    word, desired = desired, made_as(desired, rescue)
    name, store = desired.name, connection.store
    found = states.present(store.of(name))
    _refuse_while_ending(found)
    deployment = next(iter(store.of(name, DEPLOYMENT)), None)
    halted = states.halted_of(deployment) is not None
    refused = {} if fresh else _newly_refused(connection, deployment, name)
    kept = deployment if not fresh and not refused and goes_on(deployment, desired) else None
    if kept is not None:
        run, left_out = planning.run_of(kept), {}
    else:
        run = _new_run(deployment, received, connection.clock.now())
        left_out = await _left_out(connection, desired.spec)
        left_out |= states.left_out_of(deployment) if refused else {}
        left_out |= _as_left_out(desired.spec, refused)
    plan = connection.plan(desired, kept, found, run=run, rescue=rescue, left_out=left_out)
    if kept is None and (cause := planning.impossible(plan)) is not None:
        raise RuntimeFault(cause, final=True)
    sources = await connection.pull_secrets.read(plan.settings, needed=kept is None)
    plan, lacking = planning.without_lacking(planning.with_sources(plan, found, sources))
    objects = objects_of(plan)
    if kept is None:
        await _discard_claims(connection, name, objects, failed=halted)
        found = states.present(store.of(name))
    record = records.newer(word, connection.identity, plan.namespace, found)
    needed = changes.needed([*record, *objects], store.held(name))
    await connection.writer.write(connection.writer.settled(needed))
    await _end_former_run(connection, name, run)
    await _drop_failed_pods(connection, name)
    pods = [item for item in found if isinstance(item, Pod)]
    await _await_restarts(connection, name, pods, desired.spec.main_container)
    if lacking is not None:  # all else has been mended
        raise RuntimeFault(pull_secrets.missing(lacking), final=False)


def goes_on(deployment: Deployment | None, desired: DesiredWorkspace) -> bool:
    """Whether the run that is there is the one that is desired, and has not been halted."""
    if deployment is None or states.halted_of(deployment) is not None:
        return False
    return planning.is_run_of(deployment, desired)


def missing(
    connection: Connection,
    desired: DesiredWorkspace | None,
    found: Sequence[ClusterObject],
    *,
    rescue: Rescue | None = None,
) -> tuple[str, ...]:
    """The objects that `start` would write now, in words. `desired`: as its run is made."""
    if desired is None or desired.desired is not DesiredState.RUNNING:
        return ()
    deployment = next((item for item in found if isinstance(item, Deployment)), None)
    if deployment is None:
        return ("its deployment",)
    if not goes_on(deployment, desired):
        return ()
    if refused := _newly_refused(connection, deployment, desired.name):
        return tuple(f"the pod without {name}" for name in refused)
    failed = [item for item in found if isinstance(item, Pod) and states.failed(item)]
    plan = connection.plan(
        desired, deployment, found, run=planning.run_of(deployment), rescue=rescue
    )
    needed = changes.needed(objects_of(plan), connection.store.held(desired.name))
    words = connection.writer.settled(needed).in_words()
    return (*words, *("a pod that its node put out" for _ in failed))


def _new_run(deployment: Deployment | None, received: float, now: float) -> str:
    """Names another life of the containers than the one that is there, also where nobody has asked
    for anything since that began."""
    run = f"{received:.3f}"
    same = deployment is not None and planning.run_of(deployment) == run
    return f"{now:.3f}" if same else run


async def _left_out(connection: Connection, spec: WorkspaceSpec) -> dict[str, LeftOut]:
    """The side containers whose images may not be pulled. Raises `RuntimeFault` for another."""
    denied = {}
    for container in (*spec.init_containers, *spec.containers):
        is_side = container in spec.containers and container.name != spec.main_container
        try:
            await connection.registries.check([container.image])
        except RuntimeFault as fault:
            if not is_side:
                raise
            denied[container.name] = fault.cause
    return _as_left_out(spec, denied)


def _newly_refused(
    connection: Connection, deployment: Deployment | None, name: str
) -> dict[str, Cause]:
    """The side containers that the cluster has refused, and that the run is still to have."""
    known = states.left_out_of(deployment)
    refused = connection.monitor.refused_parts(name)
    return {part: cause for part, cause in refused.items() if part not in known}


def _as_left_out(spec: WorkspaceSpec, causes: Mapping[str, Cause]) -> dict[str, LeftOut]:
    return {
        container.name: LeftOut(image=container.image, cause=causes[container.name])
        for container in spec.containers
        if container.name in causes
    }


def _refuse_while_ending(found: Sequence[ClusterObject]) -> None:
    ending = [item for item in found if isinstance(item, Namespace) and item.metadata.deleted]
    if ending:
        raise RuntimeFault(still_ending(left_over(ending)), final=False)


async def _discard_claims(
    connection: Connection, name: str, wanted: Sequence[Object], *, failed: bool
) -> None:
    """Deletes claims that only a new one helps. `failed`: the former start, so that nobody waits
    for them."""
    store = connection.store
    before = connection.clock.now() - (0.0 if failed else changes.YOUNG_CLAIM)
    stale = changes.stale_claims(wanted, store.of(name, VOLUME_CLAIM), before)
    # One that has changed meanwhile may be getting its volume.
    uids = {
        claim.metadata.uid for claim in stale if await connection.writer.delete(claim, exact=True)
    }
    await connection.until(
        name, lambda: not any(claim.metadata.uid in uids for claim in store.of(name, VOLUME_CLAIM))
    )


async def _end_former_run(connection: Connection, name: str, run: str) -> None:
    """Waits for the end of the pods of another run. The Deployment makes the new pod once the old
    one has left the list, which its node is in no hurry to do."""

    def former() -> list[Pod]:
        return [
            pod for pod in connection.store.of(name, POD) if states.run_of_pod(pod) not in ("", run)
        ]

    await connection.until(name, lambda: not states.living(former()))
    await connection.drop_pods(former())


async def _drop_failed_pods(connection: Connection, name: str) -> None:
    """Removes pods that a node gave up. They are in the way of nothing but readers; the Deployment
    has made another."""

    def failed() -> list[Pod]:
        return [pod for pod in connection.store.of(name, POD) if states.failed(pod)]

    await connection.delete(failed())
    await connection.until(name, lambda: not failed())


async def _await_restarts(
    connection: Connection, name: str, before: Sequence[Pod], main: str
) -> None:
    """Waits for the kubelet to start again what had ended, after a pause that it chooses. Nobody
    waits for side containers."""
    ended = states.ended_keys(before, needed=main)
    await connection.waiter.restarted(
        name, lambda: not ended & states.ended_keys(connection.store.of(name, POD), needed=main)
    )
