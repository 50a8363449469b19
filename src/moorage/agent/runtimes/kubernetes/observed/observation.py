"""From a workspace's objects to what the port calls `Observed`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Deployment, VolumeClaim
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import names, records
from moorage.agent.runtimes.port import Known, Observed, Run


def observed(
    name: str, found: Sequence[ClusterObject], run: Run | None, volumes: Sequence[str] = ()
) -> Observed:
    """`found`: all of a workspace's objects that are present. `volumes`: the devfile's, by name."""
    kinds = {item.kind for item in found if not records.is_record(item)}
    data = [item for item in found if item.kind in records.KEPT]
    known = records.known_in(found)
    times = [at for item in found if (at := item.metadata.created_at)]
    return Observed(
        name=name,
        data=bool(data),
        leftovers=bool(kinds - records.KEPT - {"Deployment", "Pod"}),
        volumes=_volumes(name, volumes, found),
        run=run,
        known=known or _known_of_deployment(run, found),
        recorded=known is not None,
        since=min(times, default=0.0),
        objects=tuple(
            _for_people(item) for item in found if item.kind in records.KEPT | {"Deployment"}
        ),
        ids=tuple(f"{item.kind} {item.metadata.uid}" for item in data),
    )


def _volumes(name: str, volumes: Sequence[str], found: Sequence[ClusterObject]) -> frozenset[str]:
    """The claims that hold files, and go on holding them.

    One that has no volume yet holds none; one that is being deleted, or whose volume was, holds
    them no more.
    """
    there = {
        claim.name
        for claim in found
        if isinstance(claim, VolumeClaim)
        and claim.status.phase == "Bound"
        and not claim.metadata.deleted
    }
    claims = {"": name} | {volume: names.part_name(name, volume) for volume in volumes}
    return frozenset(volume for volume, claim in claims.items() if claim in there)


def _known_of_deployment(run: Run | None, found: Sequence[ClusterObject]) -> Known | None:
    """The server's word about a run that an agent of an earlier version started, as far as its
    labels tell."""
    deployment = next((item for item in found if isinstance(item, Deployment)), None)
    if run is None or deployment is None:
        return None
    owner = states.number(deployment.metadata.annotations.get(ownership.OWNER))
    return Known(generation=run.generation, restarts=run.restarts, owner=owner)


def _for_people(item: ClusterObject) -> str:
    place = f"{item.namespace}/" if item.namespace else ""
    kind = {"PersistentVolumeClaim": "claim"}.get(item.kind, item.kind.lower())
    return f"{kind} {place}{item.name}"
