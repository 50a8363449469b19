"""Makes what a fresh database needs before the first request: the installation's id, the first
administrator, and the local agent and gateway, known by the fingerprints of their tokens."""

from __future__ import annotations

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home
from moorage.kernel.ids import short_id
from moorage.server.accounts.changes import SessionChanged
from moorage.server.accounts.lifetimes import DAY
from moorage.server.accounts.models import ApiToken, Session, User
from moorage.server.accounts.tokens import end_tokens
from moorage.server.agents.models import Agent, AgentSettingsVersion, Gateway
from moorage.server.agents.rows import LOCAL
from moorage.server.authorization import Role
from moorage.server.models import Installation
from moorage.server.settings import Settings
from moorage.server.storage.database import Database, announce, one_at_a_time
from moorage.server.storage.locks import Lock

FIRST_ADMINISTRATOR = "admin"
LABEL = "first administrator"
LOCAL_SETTINGS = """\
# Nothing stops or disappears unasked. 0 means never.
remote_development:
  max_active_hours_before_stop: 0
  max_stopped_hours_before_termination: 0
"""


async def set_up(database: Database, home: Home, settings: Settings, now: float) -> str:
    """Returns the installation's id. Does nothing twice; follows tokens and zone when they were
    changed.

    Raises `Misconfigured` when the first administrator's token is missing on a fresh database.
    """
    async with database.write() as session:
        # Replicas that start together on a fresh database: one makes what it needs, the others find
        # it.
        await one_at_a_time(session, Lock.SET_UP)
        installation = await session.scalar(select(Installation))
        if installation is None:
            installation = Installation(id=short_id(12), created_at=now)
            session.add(installation)
        await _administrator(session, home, now)
        await _shorten_sessions(session, settings)
        if not settings.database:
            # There was one server, and it has ended, perhaps without a word: none of its agents is
            # connected.
            await session.execute(update(Agent).values(connected=False))
        zone_url = settings.zone_url
        agent = await session.scalar(select(Agent).where(Agent.name == LOCAL))
        if known := home.fingerprint("agent-token"):
            if agent is None:
                agent = Agent(name=LOCAL, created_at=now)
                session.add(agent)
            agent.fingerprint, agent.zone_url = known, zone_url
            await _first_settings(session, agent, now)
        if known := home.fingerprint("gateway-token"):
            gateway = await session.scalar(select(Gateway).where(Gateway.name == LOCAL))
            if gateway is None:
                gateway = Gateway(name=LOCAL, created_at=now)
                session.add(gateway)
            gateway.fingerprint, gateway.zone_url = known, zone_url
            gateway.agent_id = agent.id if agent is not None else None
        await session.flush()
        return installation.id


async def _first_settings(session: AsyncSession, agent: Agent, now: float) -> None:
    await session.flush()
    if await session.scalar(
        select(AgentSettingsVersion).where(AgentSettingsVersion.agent_id == agent.id)
    ):
        return
    first = AgentSettingsVersion(
        agent_id=agent.id, version=1, text=LOCAL_SETTINGS, author="", source="api", created_at=now
    )
    session.add(first)


async def _administrator(session: AsyncSession, home: Home, now: float) -> None:
    mark = home.fingerprint("admin-token")
    count = await session.scalar(select(func.count()).select_from(User))
    if not count:
        if not mark:
            raise Misconfigured(
                f"There is no {home.secret_file('admin-token')} for the first administrator.",
                code="secret-missing",
                hint="moor up makes it; by hand: a long random text, readable by the server alone.",
            )
        session.add(User(name=FIRST_ADMINISTRATOR, role=Role.ADMINISTRATOR.value, created_at=now))
        await session.flush()
    user = await session.scalar(select(User).where(User.name == FIRST_ADMINISTRATOR))
    if not mark or user is None:
        return
    known = await session.scalar(select(ApiToken).where(ApiToken.bootstrap))
    if known is not None and known.fingerprint != mark:
        # Somebody has written another one, perhaps because this one is in wrong hands: what came
        # from it ends, too.
        await end_tokens(session, [known.id])
        known = None
    if known is None:
        session.add(
            ApiToken(user_id=user.id, label=LABEL, created_at=now, fingerprint=mark, bootstrap=True)
        )


async def _shorten_sessions(session: AsyncSession, settings: Settings) -> None:
    """To their longest life since they began: those of before there was one, too, and when it has
    been set to less."""
    longest = Session.created_at + settings.session_longest_days * DAY
    late = or_(Session.ends_at == 0.0, Session.ends_at > longest)
    await session.execute(update(Session).where(late).values(ends_at=longest))
    shorten = (
        update(Session)
        .where(Session.expires_at > Session.ends_at)
        .values(expires_at=Session.ends_at)
    )
    if (await session.scalars(shorten.returning(Session.id))).all():
        announce(session, SessionChanged())
