"""Acts on the hours of the agents' settings: what has run for too long is stopped, what was stopped
for too long deleted."""

from __future__ import annotations

import asyncio

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import ActualState, DesiredState
from moorage.kernel import log
from moorage.server import audit
from moorage.server.agents import settings
from moorage.server.agents.models import Agent
from moorage.server.audit import Target
from moorage.server.authorization import Action, Kind, Part, System, require, resource_of
from moorage.server.core import Core
from moorage.server.storage.database import announce
from moorage.server.workspaces import hours, intents
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.decisions import Request, next_intent
from moorage.server.workspaces.models import Workspace
from moorage.workspace_settings import RemoteDevelopment

_LIMITS = System(Part.SERVER, "limits of the agents' settings")
_log = log.get(part="server.workspaces.limits")


ENFORCE_SECONDS = 60.0


async def keep(core: Core) -> None:
    """Enforces the limits again and again. Runs for as long as the server."""
    while True:
        await enforce(core)
        await asyncio.sleep(ENFORCE_SECONDS)


async def enforce(core: Core) -> None:
    """Looks at every workspace once. What it decides on is looked at again before it is written."""
    now = core.clock.now()
    columns = (
        Workspace.id, Workspace.agent_id, Workspace.desired, Workspace.requested_at, Workspace.stopped_at, Workspace.delete_at,
    )  # fmt: skip
    live = select(*columns).where(
        Workspace.terminated_at.is_(None), Workspace.desired != DesiredState.TERMINATED.value
    )
    async with core.database.read() as session:
        limits = await _limits(session)
        rows = (await session.execute(live)).all()
    for row in rows:
        clocks = hours.Clocks(
            DesiredState(row.desired), row.requested_at, row.stopped_at, row.delete_at
        )
        if row.agent_id in limits and hours.decide(clocks, limits[row.agent_id], now) is not None:
            await _act(core, row.id, now)


async def _act(core: Core, workspace_id: int, now: float) -> None:
    async with core.database.write() as session:
        workspace = await session.get(Workspace, workspace_id, with_for_update=True)
        if workspace is None or workspace.terminated_at is not None:
            return
        agent = await session.get_one(Agent, workspace.agent_id)
        limits = (await _limits(session, agent.id)).get(agent.id)
        verdict = hours.decide(_clocks(workspace), limits, now) if limits else None
        if verdict is None or limits is None:
            return
        if isinstance(verdict, hours.Announce):
            workspace.delete_at = verdict.at
            announce(session, ActualChanged(workspace=workspace.name))
            return
        request: Request = "stop" if isinstance(verdict, hours.Stop) else "delete"
        action = Action.STOP_WORKSPACE if request == "stop" else Action.DELETE_WORKSPACE
        require(_LIMITS, action, resource_of(workspace))
        intent = next_intent(
            intents.intent_of(workspace), request, state=ActualState(workspace.state)
        )
        if intent is None:
            return
        why = hours.stopped_words(agent.name, limits) if request == "stop" else ""
        intents.apply(workspace, intent, now, why=why)
        audit.record(session, _LIMITS, action, Target(Kind.WORKSPACE, workspace.name), detail=why)
        announce(session, DesiredChanged(workspace=workspace.name, agent=workspace.agent_id))
        _log.info(
            "a limit of the agent's settings",
            workspace=workspace.name,
            agent=agent.name,
            request=request,
        )


async def _limits(session: AsyncSession, agent_id: int | None = None) -> dict[int, hours.Limits]:
    """By agent. One whose settings are not understood here has none: nothing is ended on a
    guess."""
    texts = await settings.newest_of_all(session, agent_id)
    query = select(Agent.id) if agent_id is None else select(Agent.id).where(Agent.id == agent_id)
    found = {}
    for number in await session.scalars(query):
        text = texts[number].text if number in texts else ""
        chosen: RemoteDevelopment | None = settings.understood(text)
        if chosen is not None:
            found[number] = hours.Limits(
                active=chosen.max_active_hours_before_stop,
                stopped=chosen.max_stopped_hours_before_termination,
            )
    return found


def _clocks(workspace: Workspace) -> hours.Clocks:
    return hours.Clocks(
        DesiredState(workspace.desired),
        workspace.requested_at,
        workspace.stopped_at,
        workspace.delete_at,
    )
