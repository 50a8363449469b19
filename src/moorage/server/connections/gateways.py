"""The gateways' WebSocket, and the requests that they make."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request, WebSocket, WebSocketDisconnect
from sqlalchemy import select
from starlette.requests import HTTPConnection
from starlette.responses import Response

from moorage.contract import gateway as contract
from moorage.kernel import log
from moorage.kernel.errors import InvalidInput, NotFound, NotSignedIn
from moorage.server.accounts import handover
from moorage.server.accounts import services as users
from moorage.server.agents import gateways
from moorage.server.agents.models import Agent, Gateway
from moorage.server.core import Core
from moorage.server.http.context import ServerCore, bearer, core_of
from moorage.server.routing.feed import Listener, RouteFeed
from moorage.server.tasks import until_one_ends
from moorage.server.workspaces import services as workspaces
from moorage.server.workspaces.models import Workspace

S = TypeVar("S", bound=msgspec.Struct)

FELL_BEHIND = 4408
TOKEN_ENDED = 4401

internal = APIRouter(include_in_schema=False)
_log = log.get(part="server.routing")


async def asking_gateway(connection: HTTPConnection) -> Gateway:
    """Raises `NotSignedIn` for a token that is no gateway's."""
    gateway = await gateways.gateway_of_token(core_of(connection), bearer(connection))
    if gateway is None:
        raise NotSignedIn("The gateway's token is not valid.", code="token-invalid")
    return gateway


Asking = Annotated[Gateway, Depends(asking_gateway)]


@internal.websocket(contract.PATH)
async def connect(websocket: WebSocket) -> None:
    core = core_of(websocket)
    gateway = await asking_gateway(websocket)
    await websocket.accept()
    await core.part(RouteFeed).ready()
    core.metrics.gateways.inc()
    _log.info("gateway connected", gateway=gateway.name)
    try:
        with core.part(RouteFeed).listen(gateway.zone_url) as (table, listener):
            await websocket.send_text(contract.encode(table))
            await until_one_ends(
                f"server.routing.{gateway.name}",
                _tell(websocket, listener),
                _until_closed(websocket),
                _until_token_ends(core, websocket, gateway),
            )
    except (WebSocketDisconnect, RuntimeError):
        pass  # it went while it was told something; it will come back
    finally:
        core.metrics.gateways.dec()
        _log.info("gateway disconnected", gateway=gateway.name)


@internal.post(contract.EXCHANGE_PATH)
async def exchange(request: Request, core: ServerCore, gateway: Asking) -> Response:
    asked = await _body(request, contract.ExchangeRequest)
    session = await handover.exchange_code(
        core, asked, gateways.callback_of(gateway.zone_url), gateway.id
    )
    return Response(contract.encode(session), media_type="application/json")


@internal.post(contract.START_PATH, status_code=204)
async def start(request: Request, core: ServerCore, gateway: Asking, workspace: str) -> None:
    """Another zone's workspace does not exist for this gateway."""
    asked = await _body(request, contract.StartRequest)
    if not await _carries(core, gateway, workspace):
        raise NotFound(f"There is no workspace {workspace}.", code="workspace-not-found")
    actor = await users.actor_of_user(core, asked.user)
    await workspaces.start_workspace(core, actor, workspace)


@internal.post(contract.USE_PATH, status_code=204)
async def use_sessions(request: Request, core: ServerCore, gateway: Asking) -> None:
    """People worked in this gateway's workspaces."""
    told = await _body(request, contract.SessionsUsed)
    if len(told.used) > contract.USED_AT_MOST:
        raise InvalidInput(f"One request names {contract.USED_AT_MOST} sessions at most.")
    await handover.use_exchanged_sessions(core, told.used, gateway.id)


@internal.delete(contract.SESSION_PATH, status_code=204)
async def end_session(core: ServerCore, gateway: Asking, session: str) -> None:
    """Somebody signed out at a gateway, and is signed out everywhere. A session that is another
    gateway's does not exist for it."""
    if not await handover.end_exchanged_session(core, session, gateway.id):
        _log.info("a gateway ends a session that it does not have", gateway=gateway.name)


async def _tell(websocket: WebSocket, listener: Listener) -> None:
    while (change := await listener.next()) is not None:
        await websocket.send_text(change)
    await websocket.close(FELL_BEHIND, "fell behind")


async def _until_token_ends(core: Core, websocket: WebSocket, gateway: Gateway) -> None:
    await gateways.until_token_ends(core, gateway)
    _log.info("a gateway's token has ended", gateway=gateway.name)
    await websocket.close(TOKEN_ENDED, "the token has ended")


async def _until_closed(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _body(request: Request, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"The body is not understood: {error}.") from error


async def _carries(core: Core, gateway: Gateway, workspace: str) -> bool:
    """Whether that workspace is in the gateway's zone."""
    query = (
        select(Workspace.id)
        .join(Agent, Agent.id == Workspace.agent_id)
        .where(Workspace.name == workspace, Agent.zone_url == gateway.zone_url)
    )
    async with core.database.read() as session:
        return await session.scalar(query) is not None
