"""Logs and commands of a workspace, over its agent's connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from moorage.contract import agent as contract
from moorage.kernel.errors import InvalidInput, Unavailable
from moorage.server.accounts.revocation import until_revoked
from moorage.server.agents.hub import AgentConnection, AgentHub, Channel, Output
from moorage.server.agents.rows import is_connected
from moorage.server.authorization import Action, Person
from moorage.server.core import Core
from moorage.server.workspaces import loading
from moorage.server.workspaces.view import spec_of

FIRST_WORD = 2.0
"""Seconds that logs may take to say something before the answer begins without; an error until then
is an answer of its own."""


@dataclass(frozen=True)
class Target:
    """A workspace that may be reached, and the connection that reaches it."""

    workspace: str
    container: str
    connection: AgentConnection
    person: int
    """Who asks."""
    limit: int
    """Of the channels that one person may have on the connection."""
    revoked: Callable[[], Coroutine[Any, Any, None]]
    """Returns when the actor may no longer reach it."""


async def reach(core: Core, actor: Person, name: str, container: str, action: Action) -> Target:
    """Raises `NotFound`, `Forbidden`, `InvalidInput` for a container that it has not, `Elsewhere`
    when another replica has the agent, `Unavailable` without one."""
    async with core.database.read() as session:
        row = await loading.find(session, actor, name, action)
    spec = spec_of(row.workspace)
    known = [c.name for c in (*spec.containers, *spec.init_containers)]
    if action is Action.READ_LOGS:
        known += ["clone", contract.POST_START]  # what cloning and the postStart commands said
    if container and container not in known:
        raise InvalidInput(
            f"The workspace has no container {container}.",
            code="container-unknown",
            hint=f"It has: {', '.join(known)}.",
            field="container",
        )
    elsewhere = row.agent.replica if is_connected(row.agent, core.clock.now()) else None
    connection = core.part(AgentHub).connection(row.agent.id, row.agent.name, elsewhere=elsewhere)
    return Target(
        row.workspace.name,
        container,
        connection,
        person=actor.user_id,
        limit=core.settings.channels_per_person,
        revoked=lambda: until_revoked(core, actor),
    )


async def open_logs(
    core: Core,
    actor: Person,
    name: str,
    *,
    container: str = "",
    follow: bool = False,
    tail: int | None = None,
) -> AsyncIterator[bytes]:
    """Opens what the container wrote. Must be iterated or closed. Raises `Unavailable` when it
    cannot be had."""
    target = await reach(core, actor, name, container, Action.READ_LOGS)
    channel = await target.connection.open(
        lambda channel_id: contract.OpenLogs(
            channel=channel_id,
            workspace=target.workspace,
            container=container,
            follow=follow,
            tail=tail,
        ),
        target.person,
        target.limit,
    )
    channel.guard(target.revoked())
    first = asyncio.create_task(channel.next(), name=f"server.agents.logs.{target.workspace}")
    try:
        await asyncio.wait({first}, timeout=FIRST_WORD)
        _check_first(first)
    except BaseException:
        first.cancel()
        await channel.close()
        raise
    return _chunks(channel, first)


async def open_exec(
    target: Target,
    *,
    argv: tuple[str, ...],
    env: dict[str, str] | None = None,
    tty: bool = False,
    columns: int = 80,
    rows: int = 24,
) -> Channel:
    """Runs a command there. Whoever calls closes the channel."""
    return await target.connection.open(
        lambda channel_id: contract.OpenExec(
            channel=channel_id,
            workspace=target.workspace,
            argv=argv,
            env=env or {},
            container=target.container,
            tty=tty,
            columns=columns,
            rows=rows,
        ),
        target.person,
        target.limit,
    )


def _check_first(first: asyncio.Task[Output]) -> None:
    output = first.result() if first.done() else None
    if isinstance(output, contract.ChannelExit) and output.error:
        raise Unavailable(output.error, code="logs-unavailable")


async def _chunks(channel: Channel, first: asyncio.Task[Output]) -> AsyncIterator[bytes]:
    try:
        output = await first
        while isinstance(output, contract.ChannelOutput):
            yield output.data
            output = await channel.next()
        if output.error:
            yield f"\nThe logs end here: {output.error}\n".encode()
    finally:
        first.cancel()
        await channel.close()
