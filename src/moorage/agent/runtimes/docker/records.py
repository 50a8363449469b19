"""A workspace's data on the engine, and the server's newest word about it, which lies beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine
from moorage.agent.runtimes.docker.observe import labels_of, number, seconds
from moorage.agent.runtimes.port import Identity, Known, Observed, Run, known_of, read_known
from moorage.contract import DesiredWorkspace

Listed = Sequence[Mapping[str, Any]]


def observed(
    name: str, volumes: Listed, networks: Listed, containers: Listed, run: Run | None
) -> Observed:
    """`volumes`, `networks`: as the engine lists them; `containers`: as it describes them. Pure."""
    data = [volume for volume in volumes if not is_record(volume)]
    lasting = [volume for volume in data if objects.EPHEMERAL not in labels_of(volume)]
    known = newest(volumes)
    made = (*data, *containers, *networks)
    times = [
        at
        for item in made
        if (at := seconds(item.get("CreatedAt") or item.get("Created"))) is not None
    ]
    return Observed(
        name=name,
        data=bool(lasting) or bool(containers),
        leftovers=bool(containers) or bool(networks) or len(lasting) < len(data),
        volumes=frozenset(
            volume["Name"].removeprefix(name).removeprefix(".") for volume in lasting
        ),
        run=run,
        known=known or _of_labels(run, containers),
        recorded=known is not None,
        since=min(times, default=0.0),
        objects=(
            *sorted(f"volume {volume['Name']}" for volume in data),
            *sorted(f"container {container['Name'].lstrip('/')}" for container in containers),
            *sorted(f"network {network['Name']}" for network in networks),
        ),
        ids=tuple(f"{volume['Name']} {volume.get('CreatedAt', '')}" for volume in lasting),
    )


def is_record(volume: Mapping[str, Any]) -> bool:
    return ownership.RECORD in labels_of(volume)


def newest(volumes: Listed) -> Known | None:
    """The newest word that is there; an agent that ended in between may have left an older one
    beside it."""
    found = [
        known
        for volume in volumes
        if (known := read_known(labels_of(volume).get(ownership.RECORD, "")))
    ]
    return max(found, key=lambda known: known.generation, default=None)


async def write(
    engine: Engine, identity: Identity, desired: DesiredWorkspace, volumes: Listed
) -> None:
    """`volumes`: those that are there.

    The new record comes before the older ones go. Raises `EngineError`.
    """
    known = known_of(desired, identity.place)
    before = newest(volumes)
    if before is not None and (before.generation > known.generation or before == known):
        return
    name = objects.record_name(desired.name, desired.generation)
    if before is not None and before.generation == known.generation:
        # Another word of the same generation: the engine would keep the labels of the volume that
        # is there.
        await _remove(engine, name)
    await engine.request(
        "POST",
        "volumes/create",
        objects.record_body(desired.name, known, identity),
        doing="keeping a record",
    )
    for volume in volumes:
        if is_record(volume) and volume["Name"] != name:
            await _remove(engine, volume["Name"])


async def _remove(engine: Engine, volume: str) -> None:
    await engine.request(
        "DELETE", f"volumes/{volume}", doing="removing an older record", missing_ok=True
    )


def _of_labels(run: Run | None, containers: Listed) -> Known | None:
    """The word that the labels of a run tell, which an agent of an earlier version started."""
    if run is None:
        return None
    owner = number(labels_of(containers[0]).get(ownership.OWNER))
    return Known(generation=run.generation, restarts=run.restarts, owner=owner)
