"""Keeps the route table up to date, and answers gateways."""

from __future__ import annotations

import asyncio

from sqlalchemy import Select, select

from moorage.contract import gateway as contract
from moorage.kernel.errors import Unavailable
from moorage.kernel.ids import fingerprint
from moorage.server.accounts.models import Exchange, Session, User
from moorage.server.accounts.sign_in import CALLBACK_PATH
from moorage.server.agents.models import Agent
from moorage.server.changes import Changed
from moorage.server.routing.models import Gateway, Grant
from moorage.server.routing.table import Facts, Placed, SessionKey, key_of, route_of
from moorage.server.state import ServerState
from moorage.server.workspaces.models import Workspace

_ASK_AGAIN = 1.0
"""Seconds, while the database does not answer."""


async def gateway_of_token(state: ServerState, token: str | None) -> Gateway | None:
    if not token:
        return None
    query = select(Gateway).where(Gateway.fingerprint == fingerprint(token), Gateway.revoked.is_(False))
    async with state.database.read() as session:
        return (await session.scalars(query)).one_or_none()


async def until_token_ends(state: ServerState, gateway: Gateway) -> None:
    """Returns once the token that this gateway came with is not its own any more. A database that is away takes no token back."""
    with state.changes.subscribe("token") as changes:
        while True:
            try:
                if not await _is_current(state, gateway):
                    return
            except Unavailable:
                await asyncio.sleep(_ASK_AGAIN)
                continue
            await changes.next()


async def _is_current(state: ServerState, gateway: Gateway) -> bool:
    query = select(Gateway.id).where(
        Gateway.id == gateway.id,
        Gateway.fingerprint == gateway.fingerprint,
        Gateway.revoked.is_(False),
    )
    async with state.database.read() as session:
        return await session.scalar(query) is not None


async def carries(state: ServerState, gateway: Gateway, workspace: str) -> bool:
    """Whether that workspace is in the gateway's zone."""
    query = (
        select(Workspace.id)
        .join(Agent, Agent.id == Workspace.agent_id)
        .where(Workspace.name == workspace, Agent.zone_url == gateway.zone_url)
    )
    async with state.database.read() as session:
        return await session.scalar(query) is not None


async def callbacks(state: ServerState) -> frozenset[str]:
    """The only addresses that hand-over codes are sent to: of gateways whose token has not been taken back."""
    query = select(Gateway.zone_url).where(Gateway.revoked.is_(False))
    async with state.database.read() as session:
        return frozenset(callback_of(url) for url in await session.scalars(query))


def callback_of(zone_url: str) -> str:
    return f"{zone_url}{CALLBACK_PATH}"


async def follow(state: ServerState) -> None:
    """Runs for as long as the server: every change goes into the feed."""
    with state.changes.subscribe("desired", "actual", "session", "user", "grant") as changes:
        state.feed.begin(await _everything(state))
        while True:
            pending = await changes.next()
            if any(change.kind == "resync" for change in pending):
                state.feed.begin(await _everything(state))
            else:
                state.feed.learn(await _news(state, pending, state.feed.session_keys()))


async def forget_expired(state: ServerState) -> None:
    """Sessions that are over by now leave the table."""
    state.feed.learn(await _sessions(state, state.feed.session_keys()))


async def _everything(state: ServerState) -> Facts:
    async with state.database.read() as session:
        rows = await session.stream(_workspaces().execution_options(yield_per=200))
        facts = Facts(routes={row.name: Placed(zone, route_of(row)) async for row, zone in rows})
    facts.sessions = (await _sessions(state, frozenset())).sessions
    facts.grants = (await _grants(state)).grants
    return facts


async def _news(state: ServerState, pending: list[Changed], known_sessions: frozenset[SessionKey]) -> Facts:
    names = {change.key for change in pending if change.kind in ("desired", "actual")}
    facts = Facts(routes=dict.fromkeys(names))
    if names:
        async with state.database.read() as session:
            for row, zone in await session.execute(_workspaces().where(Workspace.name.in_(names))):
                facts.routes[row.name] = Placed(zone, route_of(row))
    if any(change.kind in ("session", "user") for change in pending):
        facts.sessions = (await _sessions(state, known_sessions)).sessions
    if any(change.kind in ("grant", "user") for change in pending):
        facts.grants = (await _grants(state)).grants
    return facts


def _workspaces() -> Select[Workspace, str]:
    """With the zone that each is in: its agent's."""
    query = select(Workspace, Agent.zone_url).join(Agent, Agent.id == Workspace.agent_id)
    return query.where(Workspace.terminated_at.is_(None))


async def _sessions(state: ServerState, known: frozenset[SessionKey]) -> Facts:
    """The live sessions of people who are not blocked, with the zone of each gateway that took one over; those of `known` that are not
    among them are gone."""
    query = (
        select(Session, User.name, Gateway.zone_url)
        .join(User, User.id == Session.user_id)
        .join(Exchange, Exchange.session_id == Session.id)
        .join(Gateway, Gateway.id == Exchange.gateway_id)
        .where(Session.expires_at > state.clock.now(), User.blocked.is_(False))
    )
    facts = Facts(sessions=dict.fromkeys(known))
    async with state.database.read() as session:
        for row, name, zone in await session.execute(query):
            facts.sessions[zone, row.id] = contract.Session(
                id=row.id, user=row.user_id, user_name=name, expires_at=row.expires_at
            )
    return facts


async def _grants(state: ServerState) -> Facts:
    query = (
        select(Grant, Workspace.name)
        .join(Workspace, Workspace.id == Grant.workspace_id)
        .join(User, User.id == Grant.user_id)
        .where(Workspace.terminated_at.is_(None), User.blocked.is_(False))
    )
    facts = Facts(grants=dict.fromkeys(state.feed.grant_keys()))
    async with state.database.read() as session:
        for row, name in await session.execute(query):
            grant = contract.Grant(user=row.user_id, workspace=name, port=row.port)
            facts.grants[key_of(grant)] = grant
    return facts
