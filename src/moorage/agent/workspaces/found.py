"""Finds what the engine has of a workspace and the server does not know. Pure."""

from __future__ import annotations

from moorage.agent.runtimes.port import Observed, known_of
from moorage.contract import DesiredState, DesiredWorkspace, FoundWorkspace


def found_of(
    observed: Observed, desired: DesiredWorkspace | None, server_generation: int, here: str
) -> FoundWorkspace | None:
    """The part that the server does not know; None: it knows all of it.

    `desired`: the newest word that has been heard since the agent began; `server_generation`: the
    generation in which the server says it now; `here`: this agent's place.
    """
    known = observed.known
    if desired is not None:
        newest = max(observed.generation, desired.generation)
        if newest <= server_generation and not observed.knows_more(desired):
            place = known.place if known is not None else ""
            ours = not place or not here or place == here
            if ours or desired.desired is not DesiredState.TERMINATED:
                return None
        if desired.generation > observed.generation:
            known = known_of(desired, here)
    elif not observed.present:
        return None
    run = observed.run
    wanted = known.desired if known is not None else None
    if wanted is None and run is not None:
        wanted = DesiredState.RUNNING if run.alive else DesiredState.STOPPED
    place = known.place if known is not None else ""
    return FoundWorkspace(
        name=observed.name,
        mark=observed.mark,
        generation=max(observed.generation, desired.generation if desired is not None else 0),
        owner=known.owner if known is not None else 0,
        since=observed.since,
        desired=wanted,
        restarts=run.restarts if run is not None else known.restarts if known is not None else 0,
        running=run is not None and run.alive,
        objects=observed.objects,
        elsewhere=place if place and here and place != here else "",
        spec=known.spec if known is not None else None,
        memo=known.memo if known is not None else {},
    )
