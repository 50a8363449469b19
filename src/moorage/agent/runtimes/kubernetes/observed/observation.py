"""From a workspace's objects to what the port calls `Observed`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import names, records
from moorage.agent.runtimes.port import Known, Observed, Run


def observed(name: str, found: Sequence[Object], run: Run | None) -> Observed:
    """`found`: all of a workspace's objects that are present."""
    kinds = {item["kind"] for item in found if not records.is_record(item)}
    data = [item for item in found if item["kind"] in records.KEPT]
    known = records.known_in(found)
    times = [at for item in found if (at := states.seconds(item["metadata"].get("creationTimestamp")))]
    return Observed(
        name=name,
        data=bool(data),
        leftovers=bool(kinds - records.KEPT - {"Deployment", "Pod"}),
        run=run,
        known=known or _of_deployment(run, found),
        recorded=known is not None,
        since=min(times, default=0.0),
        objects=tuple(_words(item) for item in found if item["kind"] in records.KEPT | {"Deployment"}),
        ids=tuple(f"{item['kind']} {item['metadata'].get('uid', '')}" for item in data),
    )


def _of_deployment(run: Run | None, found: Sequence[Object]) -> Known | None:
    """Of a run that an agent of an earlier version started."""
    deployment = next((item for item in found if item["kind"] == "Deployment"), None)
    if run is None or deployment is None:
        return None
    owner = states.number(states.annotations_of(deployment).get(names.OWNER))
    return Known(generation=run.generation, restarts=run.restarts, owner=owner)


def _words(item: Object) -> str:
    metadata = item["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    kind = {"PersistentVolumeClaim": "claim"}.get(item["kind"], item["kind"].lower())
    return f"{kind} {place}{metadata['name']}"
