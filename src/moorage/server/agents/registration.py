"""Agents are added, given tokens, switched on and off, and removed. Each has a gateway of the same
name and zone.

The agent and gateway of `moor up` (`LOCAL`) are known by the files of the state folder; nothing
here gives them tokens.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Conflict, InvalidInput
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server import audit
from moorage.server.agents import install_commands, schemas
from moorage.server.agents.changes import AgentChanged, TokenChanged
from moorage.server.agents.install_commands import HelmValues
from moorage.server.agents.models import Agent, Gateway
from moorage.server.agents.occupants import Occupants
from moorage.server.agents.rows import LOCAL, agent_named, view_of, workspaces_on
from moorage.server.audit import Target
from moorage.server.authorization import INSTALLATION, Action, Kind, Person, require
from moorage.server.core import Core
from moorage.server.origins import origin_of
from moorage.server.storage.database import announce, one_at_a_time
from moorage.server.storage.locks import Lock

AGENT_PREFIX, GATEWAY_PREFIX = "moor_agent_", "moor_gateway_"

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


async def add_agent(core: Core, actor: Person, body: schemas.AddAgent) -> schemas.NewAgent:
    """Raises `InvalidInput` for name and zone, `Conflict` when either is taken."""
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    name, zone_url = check_name(body.name), check_zone(body.zone_url)
    tokens = _new_tokens(None)
    now = core.clock.now()
    agent = Agent(
        name=name,
        fingerprint=fingerprint(tokens.agent or ""),
        zone_url=zone_url,
        created_at=now,
        enabled=True,
    )
    gateway = Gateway(
        name=name, fingerprint=fingerprint(tokens.gateway or ""), zone_url=zone_url, created_at=now
    )
    try:
        async with core.database.write() as session:
            await one_at_a_time(session, Lock.AGENTS)
            await _refuse_taken(session, name, zone_url)
            session.add(agent)
            await session.flush()
            gateway.agent_id = agent.id
            session.add(gateway)
            _record(session, actor, agent, "added")
            announce(session, AgentChanged(agent=str(agent.id)))
    except IntegrityError as error:
        raise _name_taken(name) from error
    return _answer(core, agent, 0, tokens)


async def rotate_token(
    core: Core, actor: Person, name: str, only: schemas.TokenOf | None = None
) -> schemas.NewAgent:
    """New tokens; the old ones end at once, and what is connected with them. Also undoes
    `revoke_token`.

    Raises `Conflict` for the agent of `moor up`.
    """
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    tokens = _new_tokens(only)
    async with core.database.write() as session:
        agent = await agent_named(session, actor, name)
        workspaces = await workspaces_on(core, session, agent)
        _refuse_local(core, agent, "get another token")
        if tokens.agent is not None:
            agent.fingerprint, agent.revoked = fingerprint(tokens.agent), False
        if tokens.gateway is not None:
            gateway = await _gateway_of(session, agent, core.clock.now())
            gateway.fingerprint, gateway.revoked = fingerprint(tokens.gateway), False
        _record(session, actor, agent, f"new tokens of {only or 'agent and gateway'}")
        _announce_token(session, agent)
    return _answer(core, agent, workspaces, tokens)


async def revoke_token(core: Core, actor: Person, name: str) -> schemas.Agent:
    """Neither agent nor gateway connects any more, and what is connected is cut. Raises `Conflict`
    for `moor up`'s."""
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    async with core.database.write() as session:
        agent = await agent_named(session, actor, name)
        workspaces = await workspaces_on(core, session, agent)
        _refuse_local(core, agent, "lose its token")
        gateway = await _gateway_of(session, agent, core.clock.now())
        for row in (agent, gateway):
            row.fingerprint, row.revoked = fingerprint(new_secret()), True
        _record(session, actor, agent, "tokens revoked")
        _announce_token(session, agent)
    return view_of(core, agent, workspaces)


async def change_agent(
    core: Core, actor: Person, name: str, change: schemas.ChangeAgent
) -> schemas.Agent:
    """One that is not enabled takes no new workspaces; those that it has go on."""
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    async with core.database.write() as session:
        agent = await agent_named(session, actor, name)
        workspaces = await workspaces_on(core, session, agent)
        agent.enabled = change.enabled
        _record(session, actor, agent, "enabled" if agent.enabled else "disabled")
        announce(session, AgentChanged(agent=str(agent.id)))
    return view_of(core, agent, workspaces)


async def remove_agent(core: Core, actor: Person, name: str) -> None:
    """Raises `Conflict` while a workspace is left on it, or is found there that nobody lists, and
    for the agent of `moor up`. What an agent without a token has found, nobody can adopt or discard
    any more: it stays where it is."""
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    async with core.database.write() as session:
        agent = await agent_named(session, actor, name, lock=True)
        workspaces = await workspaces_on(core, session, agent)
        _refuse_local(core, agent, "be removed")
        if workspaces:
            number = f"{workspaces} workspaces are" if workspaces > 1 else "One workspace is"
            raise Conflict(
                f"{number} left on the agent {name}.",
                code="agent-in-use",
                hint="Delete them first; `moor agents disable` keeps new ones away.",
                workspaces=workspaces,
            )
        found = (await core.part(Occupants).found(session)).get(agent.id, 0)
        if found and not agent.revoked:
            raise Conflict(
                f"The agent {name} has {'workspaces' if found > 1 else 'a workspace'} that this server does not list.",
                code="agent-has-found",
                hint=f"Adopt or discard what `moor agents found {name}` shows. Or leave it where it is, shown to nobody any more: "
                f"`moor agents revoke {name}`, and remove the agent then.",
                found=found,
            )
        # What is remembered of deleted workspaces goes with the agent that they were on.
        await core.part(Occupants).forget(session, agent.id)
        await session.execute(delete(Gateway).where(_belongs_to(agent)))
        await session.delete(agent)
        _record(session, actor, agent, "removed")
        _announce_token(session, agent)


def check_name(name: str) -> str:
    """Raises `InvalidInput`, field `name`."""
    if not _LABEL.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no name for an agent.",
            code="name-invalid",
            hint="Take 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends.",
            field="name",
        )
    if name == LOCAL:
        raise InvalidInput(
            f"The name {LOCAL} is kept for the agent of `moor up`.",
            code="name-reserved",
            hint="Choose another name.",
            field="name",
        )
    return name


def check_zone(url: str) -> str:
    """The origin, as browsers write it. Raises `InvalidInput`, field `zone_url`."""
    origin = origin_of(url)
    if not _DNS_NAME.fullmatch(urlsplit(origin).hostname or ""):
        raise InvalidInput(
            f"{url!r} is no origin of a zone.",
            code="zone-invalid",
            hint="Give scheme and host, such as https://dev.example.com: workspaces get hosts below it.",
            field="zone_url",
        )
    return origin


async def _refuse_taken(session: AsyncSession, name: str, zone_url: str) -> None:
    host = urlsplit(zone_url).hostname
    for other in await session.scalars(select(Agent)):
        if other.name == name:
            raise _name_taken(name)
        if urlsplit(other.zone_url).hostname == host:
            raise Conflict(
                f"{host} is the zone of the agent {other.name} already.",
                code="zone-taken",
                hint="Give each agent a zone of its own: a gateway serves one.",
                field="zone_url",
            )


def _name_taken(name: str) -> Conflict:
    return Conflict(
        f"There is an agent {name} already.",
        code="agent-exists",
        hint="Choose another name.",
        field="name",
    )


def _new_tokens(only: schemas.TokenOf | None) -> schemas.NewTokens:
    return schemas.NewTokens(
        agent=None if only == "gateway" else new_secret(AGENT_PREFIX),
        gateway=None if only == "agent" else new_secret(GATEWAY_PREFIX),
    )


async def _gateway_of(session: AsyncSession, agent: Agent, now: float) -> Gateway:
    gateway = await session.scalar(select(Gateway).where(_belongs_to(agent)))
    if gateway is None:
        gateway = Gateway(
            agent_id=agent.id,
            name=agent.name,
            zone_url=agent.zone_url,
            created_at=now,
            fingerprint=fingerprint(new_secret()),
        )
        session.add(gateway)
    gateway.agent_id = agent.id
    return gateway


def _belongs_to(agent: Agent) -> ColumnElement[bool]:
    """Selects the agent's gateways. One that a replica of an older version added is known by the
    agent's name alone."""
    unlinked = and_(Gateway.agent_id.is_(None), Gateway.name == agent.name)
    return or_(Gateway.agent_id == agent.id, unlinked)


def _record(session: AsyncSession, actor: Person, agent: Agent, detail: str) -> None:
    target = Target(Kind.AGENT, agent.name)
    audit.record(session, actor, Action.MANAGE_AGENTS, target, detail=detail)


def _announce_token(session: AsyncSession, agent: Agent) -> None:
    announce(session, TokenChanged(name=agent.name, agent=agent.id))
    announce(session, AgentChanged(agent=str(agent.id)))


def _refuse_local(core: Core, agent: Agent, what: str) -> None:
    if agent.name != LOCAL:
        return
    if core.settings.listen:  # no supervisor's: a chart's, or one that is run by hand
        raise Conflict(
            f"The agent {LOCAL} came with this server, and cannot {what} from here.",
            code="agent-local",
            hint="Its token is agent-token, the gateway's is gateway-token, where this server has its secrets: of a chart's "
            'release, in the Secret <release>-secrets (docs/helm.md, "Other tokens").',
        )
    raise Conflict(
        f"The agent {LOCAL} is the one of `moor up`, and cannot {what} from here.",
        code="agent-local",
        hint="Its token is the file secrets/agent-token in the state folder of the server, the gateway's is "
        "secrets/gateway-token: put others there and restart server, agent and gateway.",
    )


def _answer(
    core: Core, agent: Agent, workspaces: int, tokens: schemas.NewTokens
) -> schemas.NewAgent:
    origin = core.settings.origin
    return schemas.NewAgent(
        agent=view_of(core, agent, workspaces),
        tokens=tokens,
        helm=install_commands.helm_command(
            chart=core.settings.helm_chart,
            origin=origin,
            zone_url=agent.zone_url,
            agent_token=tokens.agent,
            gateway_token=tokens.gateway,
            given=core.part(HelmValues).given,
        ),
        settings=install_commands.docker_settings(origin=origin, zone_url=agent.zone_url),
    )
