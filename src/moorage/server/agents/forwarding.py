"""A request that needs an agent's connection goes on to the replica that has it, and its answer
comes back through here.

It goes with a ticket in the place of the caller's credentials (see `accounts.replica_tickets`), and
once only: a request that has been passed on is passed on no further. Nothing is passed on but to
addresses that replicas themselves have stored (`Agent.replica`); should somebody else have such an
address by now, what they answer is not believed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
from fastapi import Request, WebSocket, WebSocketDisconnect
from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from moorage.kernel import sockets
from moorage.kernel.errors import Unavailable
from moorage.server.accounts import replica_tickets
from moorage.server.agents.hub import Elsewhere
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.http.headers import REPLICA_TICKET
from moorage.server.settings import Settings
from moorage.server.tasks import until_one_ends

CONNECT_SECONDS = 5.0
MESSAGE_LIMIT = 16 * 1024 * 1024
_UNIX = "unix:"
_PASSED_ON = ("accept", "user-agent")
_PASSED_BACK = ("content-type", "cache-control", "x-accel-buffering", "www-authenticate")
_FAMILIES = {
    "*": (socket.AF_INET, socket.AF_INET6),
    "": (socket.AF_INET,),
    "0.0.0.0": (socket.AF_INET,),  # noqa: S104 - addresses that are looked for, not listened on
    "::": (socket.AF_INET6,),
}
"""Of the addresses that mean all: what such a server listens to."""


def address_of(settings: Settings, own_socket: Path) -> str:
    """Where other replicas reach this one."""
    if settings.advertise:
        return settings.advertise.rstrip("/")
    if not settings.listen:
        return f"{_UNIX}{own_socket}"
    host, port = sockets.parse_address(settings.listen)
    return f"http://{sockets.format_address(_own_address(_FAMILIES[host]) if host in _FAMILIES else host, port)}"


async def pass_on(core: Core, actor: Person, request: Request, elsewhere: Elsewhere) -> Response:
    """Streams the other replica's answer. Raises `Unavailable` when it does not answer."""
    headers, secret = await _headers(core, actor, request, elsewhere)
    path, base = _split(elsewhere.address)
    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=path or None),
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        base_url=base,
    )
    url = httpx.URL(request.url.path, query=request.url.query.encode())
    try:
        asked = client.build_request(request.method, url, headers=headers)
        answer = await client.send(asked, stream=True)
        await _believe(core, secret, elsewhere)
    except httpx.HTTPError as error:
        await client.aclose()
        raise _silent(elsewhere) from error
    except BaseException:
        await asyncio.shield(client.aclose())
        raise
    back = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    return StreamingResponse(_body(client, answer), answer.status_code, headers=back)


async def pass_on_websocket(
    core: Core, actor: Person, websocket: WebSocket, elsewhere: Elsewhere, *, credit: bool
) -> None:
    """Until either side ends. `credit`: the two keep to a window, so that whatever is under way may
    be held here.

    Raises `Unavailable`, before the upgrade, when the other replica does not take it.
    """
    headers, secret = await _headers(core, actor, websocket, elsewhere)
    path, base = _split(elsewhere.address)
    url = f"{base.replace('http', 'ws', 1)}{websocket.url.path}?{websocket.url.query}"
    options = {
        "additional_headers": headers,
        "compression": None,
        "max_size": MESSAGE_LIMIT,
        "max_queue": None if credit else 16,
        "open_timeout": CONNECT_SECONDS,
        "user_agent_header": None,
    }
    opening = unix_connect(path, url, **options) if path else connect(url, proxy=None, **options)  # type: ignore[arg-type]
    try:
        other = await opening
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise _silent(elsewhere) from error
    try:
        await _believe(core, secret, elsewhere)
        await websocket.accept()
        await until_one_ends(
            "server.agents.forwarding", _to_client(websocket, other), _to_replica(websocket, other)
        )
    finally:
        await asyncio.shield(other.close())


async def _believe(core: Core, secret: str, elsewhere: Elsewhere) -> None:
    """Raises `Unavailable` when whoever answers is no replica."""
    if not await replica_tickets.was_taken(core, secret):
        raise _silent(elsewhere)


async def _to_client(websocket: WebSocket, other: ClientConnection) -> None:
    code = 1000
    try:
        async for message in other:
            if isinstance(message, str):
                await websocket.send_text(message)
            else:
                await websocket.send_bytes(message)
    except ConnectionClosed:
        code = 1011
    with suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code)


async def _to_replica(websocket: WebSocket, other: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            data = message.get("bytes")
            await other.send(message["text"] if data is None else data)


async def _body(client: httpx.AsyncClient, answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    except httpx.HTTPError:
        yield b"\nThe logs end here: the server that the agent is connected to has gone.\n"
    finally:
        await asyncio.shield(_close(client, answer))


async def _close(client: httpx.AsyncClient, answer: httpx.Response) -> None:
    await answer.aclose()
    await client.aclose()


async def _headers(
    core: Core, actor: Person, connection: HTTPConnection, elsewhere: Elsewhere
) -> tuple[dict[str, str], str]:
    """Makes the headers of the request to the other replica, and the ticket that is among them.
    Raises `elsewhere` for a second hop: two replicas that each take the other for the right one do
    not play with a request."""
    if REPLICA_TICKET in connection.headers or not elsewhere.address:
        raise elsewhere
    secret = await replica_tickets.create_ticket(
        core, actor, elsewhere.address, connection.scope["path"]
    )
    passed = {name: connection.headers[name] for name in _PASSED_ON if name in connection.headers}
    return {**passed, REPLICA_TICKET: secret}, secret


def _split(address: str) -> tuple[str, str]:
    """The Unix socket's path, "" for TCP; and the origin."""
    if address.startswith(_UNIX):
        return address.removeprefix(_UNIX), "http://localhost"
    return "", address


def _silent(elsewhere: Elsewhere) -> Unavailable:
    return Unavailable(
        elsewhere.message, code="agent-elsewhere", hint="That replica does not answer: try again."
    )


def _own_address(families: tuple[socket.AddressFamily, ...]) -> str:
    """The address that this host's name stands for here: in a pod, the pod's."""
    for family in families:
        with suppress(OSError):
            found = socket.getaddrinfo(socket.gethostname(), None, family, socket.SOCK_STREAM)
            return str(found[0][4][0])
    return "::1" if families == (socket.AF_INET6,) else "127.0.0.1"
