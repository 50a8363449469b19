"""Reads what a route needs to know of its request: the server's state, the token that it brings,
its id."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from moorage.server.core import Core


def core_of(connection: HTTPConnection) -> Core:
    return cast("Core", connection.app.state.moorage)


def request_id_of(scope: Any) -> str:
    return cast("str", scope.get("moorage.request_id", ""))


def bearer(connection: HTTPConnection) -> str | None:
    """The token of an `Authorization: Bearer` header (RFC 6750); "" when the header says something
    else."""
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def address_of(connection: HTTPConnection) -> str:
    """Tells where a request came from: "local" for this machine's own socket; the address that the
    gateway wrote (it writes the last one of `X-Forwarded-For`), with who passed it on where that is
    no socket of this machine, for anybody who reaches the server itself could have written it."""
    peer = connection.client.host if connection.client else ""
    written = ",".join(connection.headers.getlist("x-forwarded-for"))
    forwarded = written.rpartition(",")[2].strip()
    if forwarded:
        return f"{forwarded} by {peer}" if peer else forwarded
    return peer or "local"


async def hung_up(request: Request) -> None:
    """Ends when whoever asked closes the connection. The request's body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


ServerCore = Annotated[Core, Depends(core_of)]
