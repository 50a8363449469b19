"""The protocol of a command over a WebSocket: the first message starts it, then input, output and
sizes of the terminal.

Of what a client sends, the first text is `{"argv": […], "env"?: {…}}`; later ones are `{"columns",
"rows"}` and `{"taken": bytes}`; binary messages are input, an empty one its end. A client is sent
binary messages, one byte for the stream and then its data, and texts: `{"taken": bytes}`, and last
`{"exit": code}` or `{"error": "…"}`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from fastapi import WebSocket, WebSocketDisconnect

from moorage.contract import agent as contract
from moorage.contract import flow
from moorage.contract.flow import CreditWindow
from moorage.kernel.errors import LimitReached, Unavailable
from moorage.server.accounts.revocation import is_valid
from moorage.server.agents.hub import REVOKED, Channel
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.tasks import until_one_ends
from moorage.server.workspaces import channels

START_SECONDS = 30.0
"""For the first message of a command's WebSocket."""

_STREAMS = {"stdout": b"\x01", "stderr": b"\x02"}

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", max_length=100)]


class _Start(msgspec.Struct):
    argv: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    env: dict[_Name, str] = {}


class _Size(msgspec.Struct):
    columns: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    rows: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class _Taken(msgspec.Struct):
    taken: Annotated[int, msgspec.Meta(ge=1)]


async def serve(
    core: Core,
    actor: Person,
    websocket: WebSocket,
    target: channels.Target,
    *,
    tty: bool,
    columns: int,
    rows: int,
    credit: bool,
) -> None:
    """Accepts the WebSocket, and runs the command until either side ends, or the actor may no
    longer reach it."""
    await websocket.accept()
    try:
        async with asyncio.timeout(START_SECONDS):
            start = msgspec.json.decode(await websocket.receive_text(), type=_Start)
    except (msgspec.DecodeError, KeyError, TimeoutError):
        await _end(
            websocket,
            {"error": 'The first message must be {"argv": ["command", …]}, and come soon.'},
        )
        return
    except WebSocketDisconnect:
        return
    # Who was blocked or signed out since the connection began starts nothing.
    if not await is_valid(core, actor):
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
                websocket,
                {"error": 'A text message must be {"columns": …, "rows": …} or {"taken": …}.'},
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
