"""What time alone changes: agents fall silent, sessions and codes expire, deleted workspaces are forgotten."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete, func, select, update

from moorage.contract import ActualState
from moorage.kernel import log
from moorage.server.accounts.models import ApiToken, Code, Pass, Session, SignInLink
from moorage.server.agents.models import Agent
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.found import services as found
from moorage.server.routing import services as routing
from moorage.server.state import ServerState
from moorage.server.workspaces import limits
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import is_silent

_log = log.get(part="server.housekeeping")

LOOK_SECONDS = 10.0
ENFORCE_SECONDS = 60.0
CLEAN_SECONDS = 3600.0
AWAY_SECONDS = 3600.0
"""A clock that goes on by more than this between two looks was set, or the machine slept."""
REMEMBER_SECONDS = 30 * 86400.0
"""How long a deleted workspace's row is kept, and an expired API token's."""


async def look_after(state: ServerState) -> None:
    """Runs for as long as the server."""
    silent: frozenset[int] = frozenset()
    cleaned = 0.0
    while True:
        silent = await look(state, silent)
        if state.clock.now() - cleaned >= CLEAN_SECONDS:
            await clean(state)
            cleaned = state.clock.now()
        await asyncio.sleep(LOOK_SECONDS)


async def keep_limits(state: ServerState) -> None:
    """Runs for as long as the server, beside `look_after`: a limit that many workspaces are over takes a while, in which
    agents must not seem to be gone."""
    looked = state.clock.now()
    while True:
        looked = note_time_away(state, looked)
        await limits.enforce(state)
        await found.remove_due(state)
        await asyncio.sleep(ENFORCE_SECONDS)


def note_time_away(state: ServerState, before: float) -> float:
    """A server whose clock jumped is like one that has just started: nobody was shown anything meanwhile, and no agent could have
    connected. `before`: the time of the last look. Returns that of this one."""
    now = state.clock.now()
    if now - before > ENFORCE_SECONDS + AWAY_SECONDS:
        state.started_at = now
        _log.warning("the clock went on by more than this server saw of it", seconds=round(now - before))
    return now


async def look(state: ServerState, silent: frozenset[int]) -> frozenset[int]:
    """Notes which agents are there, and says so where one has fallen silent. Returns those that are."""
    now = state.clock.now()
    here = [connection.agent_id for connection in state.hub.connections()]
    async with state.database.read() as session:
        agents = (await session.scalars(select(Agent))).all()
        counts = await session.execute(
            select(Workspace.state, func.count())
            .where(Workspace.terminated_at.is_(None))
            .group_by(Workspace.state)
        )
        by_state = dict(counts.all())
    for each in ActualState:
        state.metrics.workspaces.labels(each.value).set(by_state.get(each.value, 0))
    quiet = frozenset(agent.id for agent in agents if agent.id not in here and is_silent(agent, now))
    changed = quiet ^ silent
    if here or changed:
        async with state.database.write() as session:
            if here:
                await session.execute(update(Agent).where(Agent.id.in_(here)).values(last_seen=now))
            for agent_id in changed:
                announce(session, Changed(kind="agent", key=str(agent_id)))
    await routing.forget_expired(state)
    return quiet


async def clean(state: ServerState) -> None:
    """Deletes what has expired, a day late, so that "expired" can still be told from "never was"."""
    now = state.clock.now()
    async with state.database.write() as session:
        await session.execute(delete(Code).where(Code.expires_at < now - 86400))
        await session.execute(delete(Pass).where(Pass.expires_at < now - 86400))
        await session.execute(delete(SignInLink).where(SignInLink.expires_at < now - 86400))
        await session.execute(delete(Session).where(Session.expires_at < now - 86400))
        await session.execute(delete(ApiToken).where(ApiToken.expires_at < now - REMEMBER_SECONDS))
        await session.execute(delete(Workspace).where(Workspace.terminated_at < now - REMEMBER_SECONDS))
