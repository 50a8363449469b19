"""The agents' WebSocket: who may have it, and what is said on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from moorage import __version__
from moorage.contract import ActualWorkspace
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.errors import NotSignedIn, Unavailable
from moorage.server.agents import models, services, settings
from moorage.server.agents.changes import SettingsChanged, TokenChanged
from moorage.server.agents.hub import AgentConnection, AgentHub
from moorage.server.core import Core
from moorage.server.found import services as found
from moorage.server.found.changes import FoundChanged
from moorage.server.http.context import bearer, core_of
from moorage.server.storage.changes import RESYNC, Changed, Subscription
from moorage.server.tasks import until_one_ends
from moorage.server.workspaces import desired
from moorage.server.workspaces.changes import DesiredChanged
from moorage.server.workspaces.reports import store_reports

CLOSE_TRY_AGAIN = 1013
"""IANA's registry of WebSocket close codes: "Try Again Later"."""
HELLO_SECONDS = 10.0
TAKE_OVER_SECONDS = 1.0

internal = APIRouter(include_in_schema=False)
_log = log.get(part="server.agents")


@internal.websocket(contract.PATH)
async def connect(websocket: WebSocket) -> None:
    """A wrong token is refused before the upgrade (401); everything else by a close code of the
    contract."""
    core = core_of(websocket)
    agent = await services.agent_of_token(core, bearer(websocket))
    if agent is None:
        raise NotSignedIn("The agent's token is not valid.", code="token-invalid")
    await websocket.accept()
    try:
        claimed = await _claim(core, agent.id, websocket)
    except Unavailable:
        await websocket.close(CLOSE_TRY_AGAIN, "the server's database does not answer")
        return
    if not claimed:
        if not core.closing.is_set():
            await services.second_waits(core, agent)
        await websocket.close(contract.CLOSE_REPLACED, "this agent is connected already")
        return
    try:
        hello = await _hello(websocket)
        if hello is not None:
            await _serve(core, websocket, agent, hello)
    finally:
        await asyncio.shield(core.changes.release(agent.id, websocket))


async def _claim(core: Core, agent_id: int, websocket: WebSocket) -> bool:
    """Waits a moment for a connection of the same agent that is just ending, as after an agent's
    restart.

    Raises `Unavailable` when nobody can say whether there is one.
    """
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        late = time.monotonic() > deadline or core.closing.is_set()
        try:
            if await core.changes.claim(agent_id, websocket):
                return True
        except Unavailable:  # a server that has just started is not listening yet
            if late:
                raise
        if late:
            return False
        await asyncio.sleep(0.05)


async def _hello(websocket: WebSocket) -> contract.Hello | None:
    """The agent's first message; None, and the connection closed, when it is none."""
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            message = contract.decode_from_agent(await websocket.receive_text())
    except (TimeoutError, msgspec.DecodeError, KeyError):
        await websocket.close(contract.CLOSE_BAD_PROTOCOL, "hello expected")
        return None
    except WebSocketDisconnect:
        return None
    if not isinstance(message, contract.Hello) or message.protocol != contract.PROTOCOL:
        await websocket.close(
            contract.CLOSE_BAD_PROTOCOL, f"this server speaks protocol {contract.PROTOCOL}"
        )
        return None
    return message


async def _serve(
    core: Core, websocket: WebSocket, agent: models.Agent, hello: contract.Hello
) -> None:
    connection = AgentConnection(agent.id, websocket.send_text, core.metrics)
    # Older than the first look, so that nothing is missed, not even the end of the token.
    with core.changes.subscribe(
        DesiredChanged, SettingsChanged, TokenChanged, FoundChanged
    ) as changes:
        if not await services.connected(core, agent, hello):
            await _refuse_token(websocket)
            return
        core.part(AgentHub).add(connection)
        core.metrics.agents.inc()
        _log.info("agent connected", agent=agent.name, runtime=hello.runtime, version=hello.version)
        try:
            await settings.take_file(core, agent.id, hello.settings_file)
            await connection.send(_welcome(core, agent))
            reports = _Reports()
            work = (
                _listen(websocket, connection, reports),
                _push(core, agent, connection, changes, websocket),
                _store(core, connection.agent_id, reports),
            )
            await until_one_ends(f"server.agents.{agent.name}", *work)
        except Unavailable:
            pass  # the connection ended while something was sent; what follows is the same
        finally:
            core.part(AgentHub).remove(connection)
            core.metrics.agents.dec()
            with suppress(Unavailable):
                await asyncio.shield(services.disconnected(core, agent.id))
            _log.info("agent disconnected", agent=agent.name)


def _welcome(core: Core, agent: models.Agent) -> contract.Welcome:
    return contract.Welcome(
        installation=core.replica.installation,
        agent_id=agent.id,
        agent_name=agent.name,
        version=__version__,
        takes_found=True,
    )


Note = contract.Capacity | contract.SettingsTaken | contract.Found
"""What an agent says beside reports: the newest of each kind counts."""


class _Reports:
    """Reports that are not stored yet; a newer report of the same workspace takes the older one's
    place, as does a newer note."""

    def __init__(self) -> None:
        self._pending: dict[str, ActualWorkspace] = {}
        self._notes: dict[type[Note], Note] = {}
        self._some = asyncio.Event()

    def add(self, report: contract.Report) -> None:
        for actual in report.workspaces:
            known = self._pending.get(actual.name)
            if known is None or known.generation <= actual.generation:
                self._pending[actual.name] = actual
        self._some.set()

    def note(self, note: Note) -> None:
        self._notes[type(note)] = note
        self._some.set()

    async def take(self) -> tuple[tuple[ActualWorkspace, ...], tuple[Note, ...]]:
        await self._some.wait()
        self._some.clear()
        pending, self._pending = tuple(self._pending.values()), {}
        notes, self._notes = tuple(self._notes.values()), {}
        return pending, notes


async def _listen(websocket: WebSocket, connection: AgentConnection, reports: _Reports) -> None:
    """Takes messages until the connection ends. Waits for nothing else: pings are answered by the
    same connection."""
    while True:
        try:
            message = contract.decode_from_agent(await websocket.receive_text())
        except WebSocketDisconnect:
            return
        except (msgspec.DecodeError, KeyError) as error:
            _log.warning(
                "a message of an agent is not understood",
                agent=connection.agent_id,
                error=str(error),
            )
            await websocket.close(contract.CLOSE_BAD_PROTOCOL, "not understood")
            return
        if isinstance(message, contract.Report):
            reports.add(message)
        elif isinstance(
            message, contract.ChannelOutput | contract.ChannelTaken | contract.ChannelExit
        ):
            connection.deliver(message)
        elif isinstance(message, Note):
            reports.note(message)


async def _store(core: Core, agent_id: int, reports: _Reports) -> None:
    while True:
        actuals, notes = await reports.take()
        await store_reports(core, agent_id, actuals)
        for note in notes:
            match note:
                case contract.Capacity():
                    await services.capacity_is(core, agent_id, note.capacity)
                case contract.SettingsTaken():
                    await settings.note_taken(core, agent_id, note)
                case contract.Found():
                    await found.take(core, agent_id, note)


async def _push(
    core: Core,
    agent: models.Agent,
    connection: AgentConnection,
    changes: Subscription,
    websocket: WebSocket,
) -> None:
    """Everything at first, then what changes. The subscription is older than the first look, so
    nothing is missed."""
    await _send_everything(core, connection)
    while True:
        pending = await changes.next()
        lost = RESYNC in pending
        own = [
            change for change in pending if getattr(change, "agent", None) == connection.agent_id
        ]
        if (lost or _has(own, TokenChanged)) and not await services.is_current(core, agent):
            await _refuse_token(websocket)
            return
        if lost:
            # Notifications were lost, and with them the claim to this agent.
            if not await core.changes.claim(connection.agent_id, websocket):
                await websocket.close(contract.CLOSE_REPLACED, "this agent is connected elsewhere")
                return
            await _send_everything(core, connection)
            continue
        if _has(own, SettingsChanged):
            await connection.send(await settings.message_for(core, connection.agent_id))
        if _has(own, FoundChanged):
            for order in await found.orders(core, connection.agent_id):
                await connection.send(order)
        names = [change.workspace for change in own if isinstance(change, DesiredChanged)]
        workspaces = await desired.desired_named(core, connection.agent_id, names) if names else []
        at = core.clock.now()
        for workspace in workspaces:
            await connection.send(contract.Change(workspace=workspace))
        await desired.sent(core, workspaces, at)


async def _refuse_token(websocket: WebSocket) -> None:
    await websocket.close(contract.CLOSE_BAD_TOKEN, "the token has ended")


def _has(changes: Sequence[Changed], kind: type[Changed]) -> bool:
    return any(isinstance(change, kind) for change in changes)


async def _send_everything(core: Core, connection: AgentConnection) -> None:
    await connection.send(await settings.message_for(core, connection.agent_id))
    workspaces = await desired.desired_of(core, connection.agent_id)
    at = core.clock.now()
    await connection.send(contract.Snapshot(workspaces=tuple(workspaces)))
    await desired.sent(core, workspaces, at)
