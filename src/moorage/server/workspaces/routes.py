"""Workspaces over HTTP; logs as a stream, commands over a WebSocket."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, WebSocket, WebSocketDisconnect
from starlette.responses import Response, StreamingResponse

from moorage.contract import agent as contract
from moorage.contract import flow
from moorage.contract.flow import CreditWindow
from moorage.kernel.errors import LimitReached, Unavailable
from moorage.server.accounts import authentication
from moorage.server.accounts.authentication import Signed
from moorage.server.accounts.revocation import is_valid, reader
from moorage.server.agents import forwarding
from moorage.server.agents.hub import REVOKED, Channel, Elsewhere
from moorage.server.authorization import Action, Actor
from moorage.server.core import Core
from moorage.server.http import context, events
from moorage.server.http.context import ServerCore
from moorage.server.http.places import Place, Places
from moorage.server.tasks import until_one_ends
from moorage.server.workspaces import channels, schemas, services
from moorage.server.workspaces.events import WatchedList, WatchedWorkspace

START_SECONDS = 30.0
"""For the first message of a command's WebSocket."""

api = APIRouter(prefix="/workspaces", tags=["workspaces"])

_EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}


@api.get("")
async def list_workspaces(core: ServerCore, actor: Signed, all: bool = False) -> schemas.Workspaces:  # noqa: A002 - the API's word
    """One's own workspaces; with `all`, everyone's, for an administrator."""
    return schemas.Workspaces(items=await services.list_workspaces(core, actor, all))


@api.post("", status_code=201)
async def create_workspace(
    request: Request, core: ServerCore, actor: Signed, body: schemas.CreateWorkspace
) -> schemas.Workspace:
    """Nothing is made when whoever asks hangs up before the repository is read."""
    return await services.create_workspace(core, actor, body, gone=lambda: context.hung_up(request))


@api.get("/events", response_class=Response, responses=_EVENTS)
async def list_events(core: ServerCore, actor: Signed, all: bool = False) -> Response:  # noqa: A002 - the API's word
    """Server-sent events `workspaces`: `{"items": […]}`, at once and at each change."""
    return events.stream(core, reader(core, actor), "workspaces", WatchedList(core, actor, all), _items)


@api.get("/{name}")
async def get_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.get_workspace(core, actor, name)


@api.get("/{name}/events", response_class=Response, responses=_EVENTS)
async def workspace_events(core: ServerCore, actor: Signed, name: str) -> Response:
    """Server-sent events `workspace`, at once and at each change; the stream ends when the workspace is gone."""
    return events.stream(core, reader(core, actor), "workspace", WatchedWorkspace(core, actor, name), _itself)


@api.post("/{name}/start", status_code=202)
async def start_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.start_workspace(core, actor, name)


@api.post("/{name}/stop", status_code=202)
async def stop_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.stop_workspace(core, actor, name)


@api.post("/{name}/restart", status_code=202)
async def restart_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.restart_workspace(core, actor, name)


@api.delete("/{name}", status_code=202)
async def delete_workspace(core: ServerCore, actor: Signed, name: str) -> schemas.Workspace:
    return await services.delete_workspace(core, actor, name)


@api.get("/{name}/ports")
async def list_ports(core: ServerCore, actor: Signed, name: str) -> schemas.Ports:
    return schemas.Ports(items=await services.list_ports(core, actor, name))


@api.get("/{name}/logs", response_class=Response, responses=_TEXT)
async def read_logs(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    core: ServerCore,
    actor: Signed,
    name: str,
    container: str = "",
    follow: bool = False,
    tail: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    try:
        chunks = await channels.open_logs(core, actor, name, container=container, follow=follow, tail=tail)
    except Elsewhere as elsewhere:
        return await forwarding.pass_on(core, actor, request, elsewhere)
    return StreamingResponse(
        chunks, media_type="text/plain", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


@api.websocket("/{name}/exec")
async def run_command(  # noqa: PLR0917 - FastAPI passes them by name
    websocket: WebSocket,
    name: str,
    container: str = "",
    tty: bool = False,
    columns: Annotated[int, Query(ge=1, le=10_000)] = 80,
    rows: Annotated[int, Query(ge=1, le=10_000)] = 24,
    credit: bool = False,
) -> None:
    """Refusals come as HTTP answers before the upgrade; what fails later as `{"error": …}`.

    With `credit`, each side tells the other with `{"taken": bytes}` what it has read, and has `flow.WINDOW` bytes under
    way at most: then a reader that pauses goes on answering pings.
    """
    core = context.core_of(websocket)
    actor = await authentication.actor(websocket)
    with core.part(Places).take(Place.COMMAND, actor.user_id):
        try:
            target = await channels.reach(core, actor, name, container, Action.RUN_COMMANDS)
        except Elsewhere as elsewhere:
            await forwarding.pass_on_websocket(core, actor, websocket, elsewhere, credit=credit)
            return
        await _run(core, actor, websocket, target, tty=tty, columns=columns, rows=rows, credit=credit)


async def _run(
    core: Core,
    actor: Actor,
    websocket: WebSocket,
    target: channels.Target,
    *,
    tty: bool,
    columns: int,
    rows: int,
    credit: bool,
) -> None:
    await websocket.accept()
    try:
        async with asyncio.timeout(START_SECONDS):
            start = msgspec.json.decode(await websocket.receive_text(), type=_Start)
    except (msgspec.DecodeError, KeyError, TimeoutError):
        await _end(websocket, {"error": 'The first message must be {"argv": ["command", …]}, and come soon.'})
        return
    except WebSocketDisconnect:
        return
    if not await is_valid(
        core, actor
    ):  # who was blocked or signed out since the connection began starts nothing
        await _end(websocket, {"error": REVOKED})
        return
    try:
        channel = await channels.open_exec(
            target, argv=start.argv, env=start.env, tty=tty, columns=columns, rows=rows
        )
    except (LimitReached, Unavailable) as error:
        await _end(websocket, {"error": error.message})
        return
    window = CreditWindow(flow.WINDOW if credit else sys.maxsize)
    work = [
        _to_client(websocket, channel, window),
        _from_client(websocket, channel, window),
        _until_revoked(websocket, target),
    ]
    if credit:
        work.append(_taken_to_client(websocket, channel))
    try:
        await until_one_ends("server.workspaces.exec", *work)
    finally:
        await asyncio.shield(channel.close())


def _items(workspaces: list[schemas.Workspace]) -> schemas.Workspaces:
    return schemas.Workspaces(items=workspaces)


def _itself(workspace: schemas.Workspace) -> schemas.Workspace:
    return workspace


_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", max_length=100)]


class _Start(msgspec.Struct):
    argv: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    env: dict[_Name, str] = {}


class _Size(msgspec.Struct):
    columns: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    rows: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class _Taken(msgspec.Struct):
    taken: Annotated[int, msgspec.Meta(ge=1)]


_STREAMS = {"stdout": b"\x01", "stderr": b"\x02"}


async def _to_client(websocket: WebSocket, channel: Channel, window: CreditWindow) -> None:
    output = await channel.next()
    while isinstance(output, contract.ChannelOutput):
        await window.spend(len(output.data))
        await websocket.send_bytes(_STREAMS[output.stream] + output.data)
        output = await channel.next()
    answer = {"error": output.error} if output.error else {"exit": output.code}
    await _end(websocket, answer)


async def _until_revoked(websocket: WebSocket, target: channels.Target) -> None:
    await target.revoked()
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):  # a client that reads nothing does not keep the command
            await _end(websocket, {"error": REVOKED})


async def _taken_to_client(websocket: WebSocket, channel: Channel) -> None:
    while True:
        taken = await channel.taken()
        await websocket.send_text(msgspec.json.encode(_Taken(taken)).decode())


async def _from_client(websocket: WebSocket, channel: Channel, window: CreditWindow) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if (data := message.get("bytes")) is not None:
            await channel.send(contract.ChannelInput(channel=channel.id, data=data))
            continue
        try:
            said = _understood(message["text"])
        except msgspec.DecodeError:
            await _end(
                websocket, {"error": 'A text message must be {"columns": …, "rows": …} or {"taken": …}.'}
            )
            return
        if isinstance(said, _Taken):
            window.open(said.taken)
        else:
            await channel.send(
                contract.ChannelResize(channel=channel.id, columns=said.columns, rows=said.rows)
            )


def _understood(text: str) -> _Size | _Taken:
    """Raises `msgspec.DecodeError`."""
    try:
        return msgspec.json.decode(text, type=_Taken)
    except msgspec.ValidationError:
        return msgspec.json.decode(text, type=_Size)


async def _end(websocket: WebSocket, answer: dict[str, Any]) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.send_text(msgspec.json.encode(answer).decode())
        await websocket.close()
