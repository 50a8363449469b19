"""Settings that an agent's workspaces are made by: their versions, who set them, and how the agent
answered."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage import workspace_settings
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.errors import Conflict, InvalidInput, NotFound
from moorage.server import audit
from moorage.server.agents import models, schemas
from moorage.server.agents.changes import AgentChanged, SettingsChanged
from moorage.server.agents.models import AgentSettingsVersion
from moorage.server.agents.rows import agent_named
from moorage.server.audit import Target
from moorage.server.authorization import (
    INSTALLATION,
    Action,
    Actor,
    Kind,
    Part,
    Person,
    System,
    require,
    resource_of,
    visible,
)
from moorage.server.core import Core
from moorage.server.storage.database import announce

LONGEST = 500_000
"""Characters of settings: CA bundles are long."""
LONGEST_PROBLEM = 2000
KEPT = 200
"""Versions of an agent's settings that are kept; older ones go."""

_log = log.get(part="server.agents.settings")


async def get_settings(
    core: Core, actor: Person, name: str, version: int | None = None
) -> schemas.WorkspaceSettings:
    """`version`: None the newest, 0 the defaults. Raises `NotFound`."""
    require(actor, Action.SEE_AGENT_SETTINGS, INSTALLATION)
    async with core.database.read() as session:
        agent = await agent_named(session, actor, name)
        newest = await newest_of(session, agent.id)
        row = newest
        if version is not None and version != _number(newest):
            earlier = 0 < version < _number(newest)
            row = await session.get(AgentSettingsVersion, (agent.id, version)) if earlier else None
            if row is None and version != 0:
                raise NotFound(
                    f"The settings of the agent {name} have no version {version}.",
                    code="settings-version-not-found",
                    hint=f"The newest is {_number(newest)}.",
                )
        before = await _version_before(session, row)
    return await asyncio.to_thread(_as_settings, agent, row, _number(newest), before)


async def list_versions(core: Core, actor: Person, name: str) -> list[schemas.SettingsVersion]:
    """The newest first."""
    require(actor, Action.SEE_AGENT_SETTINGS, INSTALLATION)
    async with core.database.read() as session:
        agent = await agent_named(session, actor, name)
        query = select(AgentSettingsVersion).where(
            AgentSettingsVersion.agent_id == agent.id, visible(actor, AgentSettingsVersion)
        )
        rows = (await session.scalars(query.order_by(AgentSettingsVersion.version.desc()))).all()
    return [schemas.SettingsVersion.model_validate(row, from_attributes=True) for row in rows]


async def set_settings(
    core: Core, actor: Person, name: str, text: str, version: int | None = None
) -> schemas.WorkspaceSettings:
    """`version`: the one that was edited. The same text makes no new version.

    Raises `InvalidInput` with `line` and `field`, `Conflict` when `version` is not the newest, or
    the agent has a file.
    """
    require(actor, Action.CHANGE_AGENT_SETTINGS, INSTALLATION)
    if len(text) > LONGEST:
        raise InvalidInput(
            f"The settings have {len(text)} characters, and {LONGEST} are allowed.",
            code="settings-invalid",
            field="text",
        )
    await asyncio.to_thread(workspace_settings.parse, text, f"settings of {name}")
    try:
        async with core.database.write() as session:
            agent = await agent_named(session, actor, name, lock=True)
            if agent.settings_file:
                raise Conflict(
                    f"The agent {name} has its settings from a file of its own.",
                    code="settings-file",
                    hint="Change the file that `workspace_settings` names where the agent runs, and restart the agent.",
                )
            newest = await newest_of(session, agent.id)
            if version is not None and version != _number(newest):
                raise _changed(name, _number(newest))
            if newest is None or newest.text != text:
                newest = await _add(session, actor, agent, newest, text, now=core.clock.now())
                await session.flush()
            before = await _version_before(session, newest)
    except IntegrityError as error:
        raise _changed(name, (version or 0) + 1) from error
    return await asyncio.to_thread(_as_settings, agent, newest, newest.version, before)


async def take_file(core: Core, agent_id: int, text: str | None) -> None:
    """The agent's own file (None: it has none) becomes a version when it differs from the
    newest."""
    problem = await asyncio.to_thread(_problem_of, text) if text is not None else ""
    if problem:
        _log.warning("an agent's own settings are not usable", agent=agent_id, problem=problem)
    async with core.database.write() as session:
        agent = await session.get(models.Agent, agent_id)
        if agent is None:
            return
        agent.settings_file = text is not None
        agent.settings_problem = problem or agent.settings_problem
        newest = await newest_of(session, agent_id)
        if text is not None and not problem and (newest is None or newest.text != text):
            itself = System(Part.AGENT, agent.name, agent.id)
            require(itself, Action.CHANGE_AGENT_SETTINGS, resource_of(agent))
            await _add(session, itself, agent, newest, text, now=core.clock.now())


async def note_taken(core: Core, agent_id: int, taken: contract.SettingsTaken) -> None:
    async with core.database.write() as session:
        agent = await session.get(models.Agent, agent_id)
        if agent is None or (agent.settings_taken, agent.settings_problem) == (
            taken.version,
            taken.problem,
        ):
            return
        agent.settings_taken, agent.settings_problem = (
            taken.version,
            taken.problem[:LONGEST_PROBLEM],
        )
        announce(session, AgentChanged(agent=str(agent_id)))


async def message_for(core: Core, agent_id: int) -> contract.Settings:
    async with core.database.read() as session:
        newest = await newest_of(session, agent_id)
    return contract.Settings(version=_number(newest), text=newest.text if newest else "")


async def newest_of(session: AsyncSession, agent_id: int) -> AgentSettingsVersion | None:
    return (await newest_of_all(session, agent_id)).get(agent_id)


async def newest_of_all(
    session: AsyncSession, agent_id: int | None = None
) -> dict[int, AgentSettingsVersion]:
    """By agent; of one agent alone when it is given. Agents for which nobody has set anything have
    no entry."""
    row = AgentSettingsVersion
    last = select(row.agent_id, func.max(row.version).label("version")).group_by(row.agent_id)
    if agent_id is not None:
        last = last.where(row.agent_id == agent_id)
    table = last.subquery()
    query = select(row).join(
        table, (table.c.agent_id == row.agent_id) & (table.c.version == row.version)
    )
    return {found.agent_id: found for found in await session.scalars(query)}


@lru_cache(maxsize=256)
def understood(text: str) -> workspace_settings.RemoteDevelopment | None:
    """Reads a stored text. None when this version of Moorage does not understand it: then
    nothing is acted on."""
    try:
        return workspace_settings.parse(text).remote_development
    except InvalidInput:
        return None


def _problem_of(text: str) -> str:
    """Tells why a file is not stored; "" when it is."""
    if len(text) > LONGEST:
        return f"The agent's file has {len(text)} characters; the server takes {LONGEST}, and does not act on it."
    try:
        workspace_settings.parse(text, "the agent's file")
    except InvalidInput as error:
        return f"{error.message} The server does not act on this file."
    return ""


async def _add(
    session: AsyncSession,
    actor: Actor,
    agent: models.Agent,
    newest: AgentSettingsVersion | None,
    text: str,
    *,
    now: float,
) -> AgentSettingsVersion:
    row = AgentSettingsVersion(
        agent_id=agent.id,
        version=_number(newest) + 1,
        text=text,
        author=actor.name if isinstance(actor, Person) else "",
        source="api" if isinstance(actor, Person) else "file",
        created_at=now,
    )
    session.add(row)
    old = (
        AgentSettingsVersion.agent_id == agent.id,
        AgentSettingsVersion.version <= row.version - KEPT,
    )
    await session.execute(delete(AgentSettingsVersion).where(*old))
    target = Target(Kind.AGENT, agent.name)
    audit.record(
        session, actor, Action.CHANGE_AGENT_SETTINGS, target, detail=f"version {row.version}"
    )
    announce(session, SettingsChanged(agent=agent.id))
    announce(session, AgentChanged(agent=str(agent.id)))
    return row


def _number(row: AgentSettingsVersion | None) -> int:
    return row.version if row is not None else 0


def _changed(name: str, newest: int) -> Conflict:
    return Conflict(
        f"The settings of the agent {name} were changed meanwhile: the newest version is {newest}.",
        code="settings-changed",
        hint="Look at what was changed, and make your change to that.",
        newest=newest,
    )


async def _version_before(
    session: AsyncSession, row: AgentSettingsVersion | None
) -> AgentSettingsVersion | None:
    if row is None:
        return None
    return await session.get(AgentSettingsVersion, (row.agent_id, row.version - 1))


def _as_settings(
    agent: models.Agent,
    row: AgentSettingsVersion | None,
    newest: int,
    before: AgentSettingsVersion | None,
) -> schemas.WorkspaceSettings:
    """`before`: the version before that of `row`, while it is kept."""
    text = row.text if row is not None else ""
    warnings = []
    try:
        parsed = workspace_settings.parse(text)
        effective = workspace_settings.complete(parsed)
        idle = workspace_settings.without_effect(parsed.remote_development, agent.runtime)
        warnings += [
            f"has no effect in Moorage: {name}" for name in workspace_settings.left_aside(parsed)
        ]
        former = understood(before.text) if before is not None else None
        if former is not None:
            warnings += workspace_settings.sooner_ended(former, parsed.remote_development)
        warnings += [f"has no effect on {agent.runtime.capitalize()}: {name}" for name in idle]
    except InvalidInput as error:  # written by another version of Moorage
        effective = ""
        warnings.append(error.message)
    return schemas.WorkspaceSettings(
        agent=agent.name,
        version=_number(row),
        newest=newest,
        text=text,
        source=row.source if row is not None else "",  # type: ignore[arg-type]
        author=row.author if row is not None else "",
        created_at=row.created_at if row is not None else None,
        file=agent.settings_file,
        taken=schemas.Taken(version=agent.settings_taken, problem=agent.settings_problem),
        effective=effective,
        warnings=warnings,
    )
