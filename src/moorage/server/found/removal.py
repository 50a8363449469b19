"""Removes what agents found, once it was shown for long enough and nobody wanted it."""

from __future__ import annotations

import asyncio

from moorage.kernel import log
from moorage.server.core import Core
from moorage.server.found.services import remove_due

REMOVE_SECONDS = 60.0
"""Between two looks."""
AWAY_SECONDS = 3600.0
"""A clock that goes on by more than this between two looks was set, or the machine slept."""

_log = log.get(part="server.found")


async def keep(core: Core) -> None:
    """Looks again and again. Runs for as long as the server."""
    looked = core.clock.now()
    while True:
        looked = note_time_away(core, looked)
        await remove_due(core)
        await asyncio.sleep(REMOVE_SECONDS)


def note_time_away(core: Core, before: float) -> float:
    """Takes a server whose clock jumped for one that has just started: nobody was shown anything
    meanwhile, and no agent could have connected. `before`: the time of the last look. Returns that
    of this one."""
    now = core.clock.now()
    if now - before > REMOVE_SECONDS + AWAY_SECONDS:
        core.replica.started_at = now
        _log.warning(
            "the clock went on by more than this server saw of it", seconds=round(now - before)
        )
    return now
