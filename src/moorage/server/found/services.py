"""Takes in what agents tell of what the server does not know: load → decide → store. Adoption is in
`adoption`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import DesiredState, DesiredWorkspace, FoundWorkspace, stands_against
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.errors import Conflict, NotFound
from moorage.server import audit
from moorage.server.accounts.models import User
from moorage.server.agents.changes import AgentChanged
from moorage.server.agents.models import Agent
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
from moorage.server.found import decisions, schemas
from moorage.server.found.changes import FoundChanged
from moorage.server.found.models import Found
from moorage.server.storage.database import announce
from moorage.server.workspaces import intents
from moorage.server.workspaces.changes import DesiredChanged
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import spec_of

_REMOVAL = System(Part.SERVER, "removal of what nobody wanted")
MOST = 10_000
"""Found workspaces that are kept of one agent."""
_decode = msgspec.json.Decoder(FoundWorkspace).decode
_log = log.get(part="server.found")


@dataclass(frozen=True)
class Row:
    """A found workspace, with what belongs to it."""

    found: Found
    agent: Agent
    told: FoundWorkspace
    workspace: Workspace | None
    """The row of that name, if there is one."""
    owner: User | None
    """Who has the owner's id here, if it can be the same person."""


# ----------------------------------------------------------------------------------- from the agent
async def take(core: Core, agent_id: int, message: contract.Found) -> None:
    """Stores all that an agent tells. What it knows in a newer generation of a workspace that is
    listed, the server takes over: it goes on as it is, and the next thing that somebody asks for is
    done."""
    plausible = [found for found in message.workspaces if decisions.is_plausible(found, agent_id)][
        :MOST
    ]
    if len(plausible) != len(message.workspaces):
        _log.warning("what an agent has found is no workspace of its own", agent=agent_id)
    told = {found.name: found for found in plausible}
    if not told:
        async with core.database.read() as session:
            if (
                await session.scalar(select(Found.name).where(Found.agent_id == agent_id).limit(1))
                is None
            ):
                return
    now = core.clock.now()
    async with core.database.write() as session:
        agent = await session.get(Agent, agent_id, with_for_update=True)
        if agent is None:
            return
        rows = await _workspaces_named(session, list(told), agent_id)
        known = await session.scalars(select(Found).where(Found.agent_id == agent_id))
        before = {row.name: row for row in known}
        for name, found in told.items():
            row = rows.get(name)
            if row is not None and row.terminated_at is None and not found.elsewhere:
                if _follow(session, row, found, now):
                    agent.set_back_at = now
                continue
            stored = before.pop(name, None)
            if stored is None and row is None and not found.elsewhere:
                agent.set_back_at = now
            _store(session, agent_id, found, stored, now)
        for gone in before.values():
            await session.delete(gone)
        announce(session, FoundChanged(agent=agent_id))
        announce(session, AgentChanged(agent=str(agent_id)))


def _follow(session: AsyncSession, row: Workspace, found: FoundWorkspace, now: float) -> bool:
    """Whether the agent knows more: it may have told it before it heard the server's newest
    word."""
    desired = DesiredState(row.desired)
    if not stands_against(
        found.generation, found.desired, generation=row.generation, desired=desired
    ):
        return False
    follow(session, row, found, now)
    row.set_back_at = now
    _log.warning(
        "the database was set back: a workspace goes on as its agent has it",
        code="server-set-back",
        workspace=row.name,
        generation=found.generation,
    )
    return True


def follow(session: AsyncSession, row: Workspace, found: FoundWorkspace, now: float) -> None:
    """The row says again what the agent has, above its generation."""
    intents.apply(row, decisions.followed(found), now)
    announce(session, DesiredChanged(workspace=row.name, agent=row.agent_id))


def _store(
    session: AsyncSession, agent_id: int, found: FoundWorkspace, stored: Found | None, now: float
) -> None:
    text = msgspec.json.encode(found).decode()
    if stored is None:
        session.add(
            Found(agent_id=agent_id, name=found.name, mark=found.mark, told=text, found_at=now)
        )
        _log.warning(
            "an agent has what the server does not list; it is kept",
            code="workspace-found",
            workspace=found.name,
            agent=agent_id,
            elsewhere=found.elsewhere,
            hint="An administrator adopts or removes it: see `moor agents found`.",
        )
        return
    stored.told = text
    if stored.mark != found.mark:
        stored.mark, stored.found_at, stored.shown_at, stored.removing_at = (
            found.mark,
            now,
            None,
            None,
        )


async def _workspaces_named(
    session: AsyncSession, names: Sequence[str], agent_id: int
) -> dict[str, Workspace]:
    query = select(Workspace).where(Workspace.agent_id == agent_id, Workspace.name.in_(names))
    rows = await session.scalars(query.order_by(Workspace.id).with_for_update())
    return {row.name: row for row in rows}


# ------------------------------------------------------------------------------------- to the agent
async def orders(core: Core, agent_id: int) -> list[contract.ToAgent]:
    """Lists what is to be removed of what was found: by somebody's word, or since the server knows
    that it ended. Said again whenever the agent tells that it is still there."""
    async with core.database.read() as session:
        rows = await _rows(session, Found.agent_id == agent_id)
    said: list[contract.ToAgent] = []
    for row in rows:
        if row.workspace is not None and _has_ended(row):
            workspace = row.workspace
            ended = DesiredWorkspace(
                name=workspace.name,
                generation=workspace.generation,
                desired=DesiredState.TERMINATED,
                spec=spec_of(workspace),
                restarts=workspace.restarts,
                owner=workspace.owner_id,
            )
            said.append(contract.Change(workspace=ended))
        elif row.found.removing_at is not None:
            said.append(contract.RemoveFound(name=row.found.name, mark=row.found.mark))
    return said


def _has_ended(row: Row) -> bool:
    workspace = row.workspace
    return workspace is not None and decisions.is_ended(
        row.told, generation=workspace.generation, terminated_at=workspace.terminated_at
    )


async def remove_due(core: Core) -> None:
    """Removes what was shown for long enough, and nobody wanted."""
    now = core.clock.now()
    async with core.database.read() as session:
        rows = await _rows(session, Found.shown_at.is_not(None) & Found.removing_at.is_(None))
    due = [row for row in rows if (at := _removal_at(core, row)) is not None and at <= now]
    for each in due:
        async with core.database.write() as session:
            row = await _find(session, _REMOVAL, each.agent.name, each.found.name)
            if (
                row is None
                or row.found.mark != each.found.mark
                or (_removal_at(core, row) or now + 1) > now
            ):
                continue
            require(_REMOVAL, Action.REMOVE_FOUND, resource_of(row.found))
            _remove(session, _REMOVAL, row, now, "nobody wanted it in the days since it was shown")


# ------------------------------------------------------------------------------------------ people
async def list_found(core: Core, actor: Person, agent_name: str) -> list[schemas.Found]:
    """Lists what the agent has and nobody lists, the oldest first. Whoever asks is shown it: from
    then on its days count."""
    require(actor, Action.SEE_FOUND, INSTALLATION)
    now = core.clock.now()
    async with core.database.read() as session:
        agent = await agent_named(session, actor, agent_name)
        seen = (Found.agent_id == agent.id) & visible(actor, Found)
        rows = [row for row in await _rows(session, seen) if not _has_ended(row)]
    if unseen := {row.found.name: row.found.mark for row in rows if row.found.shown_at is None}:
        async with core.database.write() as session:
            query = select(Found).where(Found.agent_id == agent.id, Found.name.in_(unseen))
            for found in await session.scalars(query.with_for_update()):
                if found.shown_at is None and found.mark == unseen[found.name]:
                    found.shown_at = now
        for row in rows:
            row.found.shown_at = row.found.shown_at or now
    return [view(core, row) for row in rows]


async def get_found(core: Core, actor: Person, agent_name: str, name: str) -> schemas.Found:
    """Raises `NotFound`."""
    for found in await list_found(core, actor, agent_name):
        if found.name == name:
            return found
    raise _not_found(agent_name, name)


async def remove_found(
    core: Core, actor: Person, agent_name: str, name: str, mark: str
) -> schemas.Found:
    """With all its files. Raises `NotFound`, and `Conflict` when it is something else by now, or
    another agent's."""
    require(actor, Action.REMOVE_FOUND, INSTALLATION)
    async with core.database.write() as session:
        row = await the_found(session, actor, agent_name, name, mark)
        if row.told.elsewhere:
            raise Conflict(
                f"Another agent with this one's identity works on {name}: {row.told.elsewhere}.",
                code="found-elsewhere",
                hint="Remove it there; or adopt it first, which takes it away from that one.",
            )
        if row.found.removing_at is None:
            _remove(session, actor, row, core.clock.now(), f"asked for by {actor.name}")
    return view(core, row)


async def the_found(
    session: AsyncSession, actor: Actor, agent_name: str, name: str, mark: str
) -> Row:
    """Locked. Raises `NotFound`, and `Conflict` when it is no longer what it was shown as."""
    row = await _find(session, actor, agent_name, name)
    if row is None or _has_ended(row):
        raise _not_found(agent_name, name)
    if row.found.mark != mark:
        raise Conflict(
            f"{name} is not what it was when you looked.",
            code="found-changed",
            hint="Look at it again.",
        )
    return row


def view(core: Core, row: Row) -> schemas.Found:
    told, memo = row.told, row.told.memo
    project = told.spec.projects[0] if told.spec is not None and told.spec.projects else None
    return schemas.Found(
        name=told.name,
        agent=row.agent.name,
        mark=told.mark,
        generation=told.generation,
        owner=told.owner,
        owner_name=memo.get("owner", ""),
        owner_now=row.owner.name if row.owner is not None else "",
        title=memo.get("title", ""),
        repository=memo.get("repository", "") or (project.url if project is not None else ""),
        ref=memo.get("ref", ""),
        since=told.since or None,
        found_at=row.found.found_at,
        shown_at=row.found.shown_at,
        remove_at=_removal_at(core, row),
        removing=row.found.removing_at is not None,
        running=told.running,
        desired=told.desired,
        objects=list(told.objects),
        elsewhere=told.elsewhere,
        complete=told.spec is not None,
        listed=row.workspace is not None and row.workspace.terminated_at is None,
    )


def _removal_at(core: Core, row: Row) -> float | None:
    return decisions.removal_at(
        shown_at=row.found.shown_at,
        elsewhere=bool(row.told.elsewhere),
        days=core.settings.found_days,
        started_at=core.replica.started_at,
    )


def _remove(session: AsyncSession, actor: Actor, row: Row, now: float, why: str) -> None:
    row.found.removing_at = now
    target = Target(Kind.FOUND, row.found.name)
    audit.record(session, actor, Action.REMOVE_FOUND, target, detail=f"on {row.agent.name}: {why}")
    announce(session, FoundChanged(agent=row.agent.id))
    announce(session, AgentChanged(agent=str(row.agent.id)))
    _log.warning(
        "a found workspace is removed", workspace=row.found.name, agent=row.agent.name, why=why
    )


async def _find(session: AsyncSession, actor: Actor, agent_name: str, name: str) -> Row | None:
    agent = await agent_named(session, actor, agent_name)
    query = select(Found).where(
        Found.agent_id == agent.id, Found.name == name, visible(actor, Found)
    )
    if await session.scalar(query.with_for_update()) is None:
        return None
    rows = await _rows(session, (Found.agent_id == agent.id) & (Found.name == name))
    return rows[0] if rows else None


async def _rows(session: AsyncSession, condition: object) -> list[Row]:
    query = (
        select(Found, Agent, Workspace)
        .join(Agent, Agent.id == Found.agent_id)
        .outerjoin(Workspace, Workspace.name == Found.name)
        .where(condition)  # type: ignore[arg-type]
        .order_by(Found.found_at, Found.name)
    )
    found = (await session.execute(query)).all()
    told = {row.name: _decode(row.told) for row, _, _ in found}
    owners = {each.owner for each in told.values() if each.owner}
    users = {
        user.id: user for user in await session.scalars(select(User).where(User.id.in_(owners)))
    }

    def kin(each: FoundWorkspace) -> User | None:
        user = users.get(each.owner)
        if user is None or not decisions.is_kin(
            user_created_at=user.created_at,
            since=each.since,
            user_name=user.name,
            told_name=each.memo.get("owner", ""),
        ):
            return None
        return user

    return [
        Row(row, agent, told[row.name], workspace, kin(told[row.name]))
        for row, agent, workspace in found
    ]


def _not_found(agent_name: str, name: str) -> NotFound:
    return NotFound(
        f"The agent {agent_name} tells of no {name} that nobody lists.",
        code="found-not-found",
        hint=f"`moor agents found {agent_name}` lists them.",
    )
