"""Keeps the route table up to date, and answers gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, or_, select

from moorage.contract import gateway as contract
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.accounts.models import Exchange, Session, User
from moorage.server.agents.models import Agent, Gateway
from moorage.server.authorization import Action, roles_that_may
from moorage.server.core import Core
from moorage.server.routing.feed import RouteFeed
from moorage.server.routing.table import Facts, GrantKey, Placed, SessionKey, key_of, route_of
from moorage.server.sharing.changes import GrantChanged
from moorage.server.sharing.services import grants_in_force
from moorage.server.storage.changes import RESYNC, Changed
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.models import Workspace

FORGET_SECONDS = 10.0


async def follow(core: Core) -> None:
    """Puts every change into the feed. Runs for as long as the server."""
    feed = core.part(RouteFeed)
    kinds = (DesiredChanged, ActualChanged, SessionChanged, UserChanged, GrantChanged)
    with core.changes.subscribe(*kinds) as changes:
        feed.begin(await _everything(core))
        while True:
            pending = await changes.next()
            if RESYNC in pending:
                feed.begin(await _everything(core))
            else:
                feed.learn(await _news(core, feed, pending))


async def keep_forgetting(core: Core) -> None:
    """Looks for sessions that are over, again and again. Runs for as long as the server."""
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        await forget_expired(core)


async def forget_expired(core: Core) -> None:
    """Takes sessions that are over by now out of the table."""
    feed = core.part(RouteFeed)
    feed.learn(Facts(sessions=await _sessions(core, feed.session_keys())))


async def _everything(core: Core) -> Facts:
    async with core.database.read() as session:
        rows = await session.stream(_workspaces().execution_options(yield_per=200))
        routes: dict[str, Placed | None] = {
            row.name: Placed(zone, route_of(row)) async for row, zone in rows
        }
    return Facts(routes=routes, sessions=await _sessions(core, ()), grants=await _grants(core))


async def _news(core: Core, feed: RouteFeed, pending: list[Changed]) -> Facts:
    names = {
        change.workspace for change in pending if isinstance(change, DesiredChanged | ActualChanged)
    }
    facts = Facts(routes=dict.fromkeys(names))
    if names:
        async with core.database.read() as session:
            for row, zone in await session.execute(_workspaces().where(Workspace.name.in_(names))):
                facts.routes[row.name] = Placed(zone, route_of(row))
    sessions = {change.session for change in pending if isinstance(change, SessionChanged)}
    users = {int(change.user) for change in pending if isinstance(change, UserChanged)}
    if "" in sessions:
        facts.sessions = await _sessions(core, feed.session_keys())
    elif sessions or users:
        those = or_(Session.id.in_(sessions), Session.user_id.in_(users))
        facts.sessions = await _sessions(core, feed.session_keys_of(sessions, users), those)
    if users or any(isinstance(change, GrantChanged) for change in pending):
        facts.grants = await _grants(core)
    return facts


def _workspaces() -> Select[Workspace, str]:
    """With the zone that each is in: its agent's."""
    query = select(Workspace, Agent.zone_url).join(Agent, Agent.id == Workspace.agent_id)
    return query.where(Workspace.terminated_at.is_(None))


async def _sessions(
    core: Core, known: Iterable[SessionKey], those: ColumnElement[bool] | None = None
) -> dict[SessionKey, contract.Session | None]:
    """The live sessions of people who are not blocked and may open what is theirs, by the zone of
    each gateway that took one over.

    Those of `known` that are not among them are gone. `those`: which are asked for; None: all.
    """
    query = (
        select(Session, User.name, Gateway.zone_url)
        .join(User, User.id == Session.user_id)
        .join(Exchange, Exchange.session_id == Session.id)
        .join(Gateway, Gateway.id == Exchange.gateway_id)
        .where(
            Session.expires_at > core.clock.now(),
            User.blocked.is_(False),
            User.role.in_([role.value for role in roles_that_may(Action.OPEN_WORKSPACE)]),
        )
    )
    if those is not None:
        query = query.where(those)
    found: dict[SessionKey, contract.Session | None] = dict.fromkeys(known)
    async with core.database.read() as session:
        for row, name, zone in await session.execute(query):
            found[zone, row.id] = contract.Session(
                id=row.id, user=row.user_id, user_name=name, expires_at=row.expires_at
            )
    return found


async def _grants(core: Core) -> dict[GrantKey, contract.Grant | None]:
    """All grants; those that the table has and that do not hold any more are gone."""
    found: dict[GrantKey, contract.Grant | None] = dict.fromkeys(core.part(RouteFeed).grant_keys())
    async with core.database.read() as session:
        for grant in await grants_in_force(session):
            found[key_of(grant)] = grant
    return found
